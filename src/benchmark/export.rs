//! From a row of a run to a static benchmark.

use std::path::{Path, PathBuf};

use fmr_benchmark::{Card, Class, FORMAT, Licence, Purpose, Recheck, Sample, Writer};
use fmr_core::SampleRecord;
use fmr_core::logits::prediction;
use fmr_core::metrics::{Ending, Reading};
use fmr_core::perturb::PerturbError;
use fmr_store::RunStore;
use ndarray::ArrayView1;

use super::{TOGETHER, batch, damaged, readme};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::prepare::{self, Prepared, ReadyRow};

/// What is exported.
#[derive(Debug, Clone)]
pub struct Options {
    /// For evaluation or training.
    pub purpose: Purpose,
    /// The licence under which the benchmark is published, where that is known.
    pub licence: Option<String>,
}

/// A benchmark that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// Its folder.
    pub dir: PathBuf,
    /// What it says of itself.
    pub card: Card,
}

/// Writes the images of a finished row of a run into the folder `place`, which must not exist. Each file is shown to the
/// row's oracle and target, as the run's images were; what rounding to 8 bits changed is counted. `prepared` is made of the
/// experiment that the run keeps.
///
/// # Errors
/// The row is not finished, its components are not those of the run, a component fails, or the folder cannot be written.
pub fn export(
    prepared: &Prepared,
    row: &ReadyRow,
    store: &RunStore,
    place: &Path,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Exported, Error> {
    expect_same_components(row, store)?;
    let records = store.records(&row.plan.id)?;
    let planned = row.plan.samples;
    if records.len() < planned {
        let (row, dir) = (row.plan.id.clone(), store.dir().to_owned());
        return Err(Error::Unfinished { row, done: records.len(), of: planned, dir });
    }
    let reading = Reading::new(&prepared.experiment.metrics, &records);
    let mut writer = Writer::create(place, &row.plan.classes)?;
    let mut recheck = Recheck::default();
    for records in records.chunks(TOGETHER) {
        if interrupt.asked() {
            return Err(Error::Stopped);
        }
        for checked in check(row, store, &reading, records)? {
            let Checked { sample, perturbed, original } = checked;
            if sample.produced {
                count(&mut recheck, &sample);
            }
            match options.purpose {
                _ if sample.accepted => writer.add(sample, &perturbed, &original)?,
                Purpose::Evaluation => {}
                // Every image has its pair; one that was not perturbed is a pair of equals.
                Purpose::Training => writer.add(unperturbed(sample), &original, &original)?,
            }
        }
    }
    let card = card(prepared, row, store, &writer, recheck, options)?;
    let readme = readme::text(&card, writer.samples());
    Ok(Exported { dir: writer.finish(&card, &readme)?, card })
}

/// Refuses models and settings that are not the run's: their answers could not be held against those of the run.
fn expect_same_components(row: &ReadyRow, store: &RunStore) -> Result<(), Error> {
    let begun = store.plan().rows.iter().find(|plan| plan.id == row.plan.id);
    let begun = begun.map(|plan| &plan.fingerprint).unwrap_or(&row.plan.fingerprint);
    let now = &row.plan.fingerprint;
    let differs = |field: &&String| begun.get(*field) != now.get(*field);
    match begun.keys().chain(now.keys()).find(differs) {
        None => Ok(()),
        Some(field) => Err(Error::OtherComponents { row: row.plan.id.clone(), field: field.clone() }),
    }
}

/// A sample with its files.
struct Checked {
    sample: Sample,
    perturbed: Vec<u8>,
    original: Vec<u8>,
}

/// Shows the files of some samples to oracle and target.
fn check(
    row: &ReadyRow,
    store: &RunStore,
    reading: &Reading<'_>,
    records: &[SampleRecord],
) -> Result<Vec<Checked>, Error> {
    let (mut originals, mut finals) = (Vec::new(), Vec::new());
    for record in records {
        let [original, _, last] = store.pngs(&row.plan.id, record.index)?;
        originals.push(original);
        finals.push(last);
    }
    let shape = row.samples.image();
    let labels: Vec<usize> = records.iter().map(|record| record.label).collect();
    let batch = |files: &[Vec<u8>]| batch(files, shape, &labels).map_err(|problem| damaged(store.dir(), &problem));
    let (original_batch, final_batch) = (batch(&originals)?, batch(&finals)?);
    let perturber = row.perturber(None);
    let on_originals = perturber.logits_of_originals(&original_batch).map_err(PerturbError::from)?;
    let on_finals = perturber.logits_of_originals(&final_batch).map_err(PerturbError::from)?;
    let all: Vec<usize> = (0..records.len()).collect();
    let scores = perturber.judge_originals(&final_batch, &all).map_err(PerturbError::from)?;
    let mut checked = Vec::with_capacity(records.len());
    for (at, ((record, original), perturbed)) in records.iter().zip(originals).zip(finals).enumerate() {
        let produced = record.final_from.is_some() && reading.produced(record);
        let shown = store.shown(&row.plan.id, record.index)?;
        let (clean, reconstruction) = (shown.original.answer.oracle, shown.reconstruction.answer.oracle);
        let scores: ArrayView1<'_, f32> = scores.row(at);
        let sample = Sample {
            file: String::new(),
            original: String::new(),
            index: record.index,
            key: record.key.clone(),
            label: record.label,
            class: row.plan.class(record.label),
            produced,
            outcome: Ending::of(record).name().to_owned(),
            accepted_updates: record.accepted_updates,
            original_prediction: prediction(on_originals.row(at)),
            exact_prediction: record.final_prediction,
            prediction: prediction(on_finals.row(at)),
            exact_oracle: record.final_oracle,
            oracle: row.verdict.class(scores),
            oracle_probability: row.verdict.probability(scores, record.label),
            // A sample that failed has no answers to compare with.
            accepted: produced && row.verdict.accepts(scores, record.label, clean.view(), reconstruction.view()),
        };
        checked.push(Checked { sample, perturbed, original });
    }
    Ok(checked)
}

/// The sample with its original in the place of the perturbed image.
fn unperturbed(sample: Sample) -> Sample {
    Sample {
        produced: false,
        prediction: sample.original_prediction,
        exact_prediction: None,
        exact_oracle: None,
        oracle: None,
        oracle_probability: None,
        accepted: false,
        ..sample
    }
}

fn count(recheck: &mut Recheck, sample: &Sample) {
    let changed = sample.prediction != sample.exact_prediction;
    let right = |prediction: Option<usize>| prediction == Some(sample.label);
    let add = |count: &mut usize, holds: bool| *count += usize::from(holds);
    add(&mut recheck.produced, true);
    add(&mut recheck.refused, !sample.accepted);
    add(&mut recheck.oracle_changed, sample.oracle != sample.exact_oracle);
    add(&mut recheck.prediction_changed, changed);
    add(&mut recheck.became_wrong, right(sample.exact_prediction) && !right(sample.prediction));
    add(&mut recheck.became_right, !right(sample.exact_prediction) && right(sample.prediction));
}

fn card(
    prepared: &Prepared,
    row: &ReadyRow,
    store: &RunStore,
    writer: &Writer,
    recheck: Recheck,
    options: &Options,
) -> Result<Card, Error> {
    let e = &prepared.experiment;
    let settings = &row.settings;
    let data = e.data.get(&settings.data).map_or_else(|| settings.data.clone(), |table| table.label.clone());
    let label = |tables: &std::collections::BTreeMap<String, fmr_experiment::ComponentTable>, name: &String| {
        tables.get(name).map_or_else(|| name.clone(), |table| table.label.clone())
    };
    let target = label(&e.targets, &settings.target);
    let what = match options.purpose {
        Purpose::Evaluation => "Static benchmark",
        Purpose::Training => "Perturbed training set",
    };
    let class = |(name, folder): (&String, &String)| Class { name: name.clone(), folder: folder.clone() };
    Ok(Card {
        format: FORMAT.to_owned(),
        name: format!("{}-{}", store.plan().name, row.plan.file_name()),
        title: format!("{what}: {data}, made for {target}"),
        purpose: options.purpose,
        run: store.plan().name.clone(),
        row: row.plan.id.clone(),
        generator: label(&e.generators, &settings.generator),
        oracle: label(&e.oracles, &settings.oracle),
        world: settings.world.unwrap_or(e.report.world).sentence().to_owned(),
        settings: row.plan.fingerprint.clone(),
        classes: row.plan.classes.iter().zip(writer.folders()).map(class).collect(),
        image: row.samples.image(),
        run_images: row.plan.samples,
        images: writer.samples().len(),
        recheck,
        licences: licences(prepared, row, &data, options)?,
        fmr: env!("CARGO_PKG_VERSION").to_owned(),
        data,
        target,
    })
}

/// Licences of the benchmark and of the published files that it is made of, as far as they are known.
fn licences(prepared: &Prepared, row: &ReadyRow, data: &str, options: &Options) -> Result<Vec<Licence>, Error> {
    let known = |of: &str, licence: &str| Licence { of: of.to_owned(), licence: licence.to_owned() };
    let own = options.licence.as_deref().unwrap_or("not stated by those who made it");
    let mut licences = vec![known("these files", own)];
    let registry = crate::components::unloaded(&prepared.experiment);
    let mut of_data = false;
    for table in prepare::files(&prepared.experiment, &registry, &row.settings)? {
        let published = table.files.iter().filter_map(|file| file.published.as_ref()?.licence.as_deref());
        for licence in published {
            of_data |= table.at.starts_with("data.");
            licences.push(known(&table.label, licence));
        }
    }
    if !of_data {
        licences.push(known(data, "that of the originals; not stated in the experiment"));
    }
    licences.dedup();
    Ok(licences)
}

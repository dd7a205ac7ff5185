//! Tables of a run as files that other programs read: JSON Lines and CSV.
//!
//! Classes stand as numbers and names. A number that is not finite is `null` in JSON and `NaN`, `inf` or `-inf` in CSV;
//! what is not known is `null`, or an empty field.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fmr_core::metrics::Ending;
use fmr_core::{SampleRecord, StepRecord};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::Asking as _;
use super::{RowPlan, RunResults, RunStore, StoreError};

/// One sample, flat.
#[derive(Serialize)]
struct SampleRow<'a> {
    row: &'a str,
    index: usize,
    key: &'a str,
    label: usize,
    class: String,
    clean_prediction: Option<usize>,
    clean_oracle: Option<usize>,
    reconstruction_prediction: Option<usize>,
    reconstruction_oracle: Option<usize>,
    reconstruction_accepted: bool,
    score0: f64,
    final_score: f64,
    final_prediction: Option<usize>,
    final_prediction_class: String,
    final_oracle: Option<usize>,
    final_oracle_class: String,
    outcome: &'static str,
    ended_at: usize,
    accepted_updates: usize,
    final_from: Option<usize>,
    finished: Option<bool>,
    latent_moved: f64,
    moved_spreads: Option<f64>,
    error: Option<&'a str>,
}

/// One sample with its steps.
#[derive(Serialize)]
struct SampleLine<'a> {
    #[serde(flatten)]
    sample: SampleRow<'a>,
    steps: &'a [StepRecord],
}

/// One step, flat.
#[derive(Serialize)]
struct StepRow<'a> {
    row: &'a str,
    index: usize,
    key: &'a str,
    t: usize,
    score: f64,
    gradient_norm: f64,
    oracle_true: Option<f32>,
    oracle_class: Option<usize>,
    prediction: Option<usize>,
    accepted: bool,
}

impl<'a> SampleRow<'a> {
    fn of(row: &'a RowPlan, r: &'a SampleRecord) -> Self {
        let name = |class: Option<usize>| class.map_or_else(String::new, |class| row.class(class));
        Self {
            row: &row.id,
            index: r.index,
            key: &r.key,
            label: r.label,
            class: row.class(r.label),
            clean_prediction: r.clean_prediction,
            clean_oracle: r.clean_oracle,
            reconstruction_prediction: r.reconstruction_prediction,
            reconstruction_oracle: r.reconstruction_oracle,
            reconstruction_accepted: r.reconstruction_accepted,
            score0: r.score0,
            final_score: r.final_score,
            final_prediction: r.final_prediction,
            final_prediction_class: name(r.final_prediction),
            final_oracle: r.final_oracle,
            final_oracle_class: name(r.final_oracle),
            outcome: Ending::of(r).name(),
            ended_at: r.ended_at,
            accepted_updates: r.accepted_updates,
            final_from: r.final_from,
            finished: r.finished,
            latent_moved: r.latent_moved,
            moved_spreads: r.moved_spreads,
            error: r.error.as_deref(),
        }
    }
}

impl<'a> StepRow<'a> {
    fn of(row: &'a RowPlan, sample: &'a SampleRecord, s: &StepRecord) -> Self {
        Self {
            row: &row.id,
            index: sample.index,
            key: &sample.key,
            t: s.t,
            score: s.score,
            gradient_norm: s.gradient_norm,
            oracle_true: s.oracle_true,
            oracle_class: s.oracle_class,
            prediction: s.prediction,
            accepted: s.accepted,
        }
    }
}

/// A sample as the exported tables have it, by column; what is unknown or no finite number is null.
pub fn sample_fields(row: &RowPlan, record: &SampleRecord) -> Map<String, Value> {
    fields(&SampleRow::of(row, record))
}

/// The same of a step.
pub fn step_fields(row: &RowPlan, record: &SampleRecord, step: &StepRecord) -> Map<String, Value> {
    fields(&StepRow::of(row, record, step))
}

fn fields(row: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(fields)) => fields,
        // These rows are structures of plain values.
        _ => Map::new(),
    }
}

impl RunStore {
    /// Writes `samples.jsonl` (a sample a line, with its steps), `samples.csv` and `steps.csv` of all rows into a
    /// folder, which is made where needed, and gives their paths. `results` are this run's.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn export_tables(&self, results: &RunResults, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        fs::create_dir_all(folder).asking(folder, "make the folder")?;
        let export = |name: &str, write: &dyn Fn(&mut dyn Write) -> Result<(), ExportError>| {
            let path = folder.join(name);
            replace_file(&path, write)?;
            Ok(path)
        };
        let written = vec![
            export("samples.jsonl", &|out| write_jsonl(results, out))?,
            export("samples.csv", &|out| write_samples_csv(results, out))?,
            export("steps.csv", &|out| write_steps_csv(results, out))?,
        ];
        // An export that was killed leaves the file that it was writing.
        fmr_files::remove_partials(folder).asking(folder, "remove the temporary files of a killed export")?;
        Ok(written)
    }
}

/// All samples with the plans of their rows.
fn samples(results: &RunResults) -> impl Iterator<Item = (&RowPlan, &SampleRecord)> {
    results.rows.iter().flat_map(|row| row.records.iter().map(|record| (&row.plan, record)))
}

fn write_jsonl(results: &RunResults, out: &mut dyn Write) -> Result<(), ExportError> {
    for (row, record) in samples(results) {
        let line = SampleLine { sample: SampleRow::of(row, record), steps: &record.steps };
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_samples_csv(results: &RunResults, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut table = csv::Writer::from_writer(out);
    for (row, record) in samples(results) {
        table.serialize(SampleRow::of(row, record))?;
    }
    Ok(table.flush()?)
}

fn write_steps_csv(results: &RunResults, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut table = csv::Writer::from_writer(out);
    for (row, record) in samples(results) {
        for step in &record.steps {
            table.serialize(StepRow::of(row, record, step))?;
        }
    }
    Ok(table.flush()?)
}

/// What can stop an export half way.
pub(super) enum ExportError {
    Store(StoreError),
    Write(io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Writes a file whole or not at all.
pub(super) fn replace_file(
    path: &Path,
    write: &dyn Fn(&mut dyn Write) -> Result<(), ExportError>,
) -> Result<(), StoreError> {
    fmr_files::replace_with(path, write).or_else(|trouble| match trouble {
        ExportError::Store(error) => Err(error),
        ExportError::Write(error) => Err(error).asking(path, "write"),
    })
}

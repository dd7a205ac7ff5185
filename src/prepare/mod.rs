//! From an experiment file to components that are ready to run: everything that can be wrong is found here, before any
//! work starts.

mod data;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;

use fmr_core::perturb::Perturber;
use fmr_core::registry::{Registry, Role};
use fmr_core::verdict::Verdict;
use fmr_core::{Generator, Oracle, Progress, Scorer, Target};
use fmr_data::Samples;
use fmr_experiment::{ConfigError, Experiment, Fingerprints, LabelMatch, Lack, MaskTable, Masking, Row, TableFiles};
use fmr_mask::{Mask, MaskError};
use fmr_store::{Judge, RowPlan};

use crate::classes::{self, DataClasses, Matched};
use crate::interrupt::Interrupt;
use crate::masks::{MaskSource, RowMask};
pub(crate) use data::samples;
use parts::Parts;

/// The paper's prompt.
pub(crate) const PROMPT: &str = "an image of {class}";

/// A row that can run.
pub struct ReadyRow {
    /// The row of the experiment file.
    pub settings: Row,
    /// The row as the run store knows it.
    pub plan: RowPlan,
    /// The images.
    pub samples: Samples,
    /// g.
    pub generator: Arc<dyn Generator>,
    /// h, its classes set.
    pub oracle: Arc<dyn Oracle>,
    /// θ.
    pub target: Arc<dyn Target>,
    /// What is maximised.
    pub scorer: Box<dyn Scorer>,
    /// When the oracle lets an image stand.
    pub verdict: Verdict,
    /// What may move; absent: everything.
    pub mask: Option<RowMask>,
    /// Standard accuracy that is published for the target, where the data's classes are those that it was published for.
    pub published_accuracy: Option<f64>,
    /// Further targets that are shown the row's images.
    pub also: Vec<Viewer>,
    /// Further oracles that judge the row's images.
    pub further_oracles: Vec<FurtherOracle>,
    /// Remarks about images and classes that a reader of the figures needs, one sentence each.
    pub remarks: Vec<String>,
}

/// A target that is shown images that were made for a different one.
pub struct Viewer {
    /// As the run store names it.
    pub judge: Judge,
    /// Its logits have the order of the row's classes.
    pub target: Arc<dyn Target>,
}

/// An oracle that judges images which were searched for under a different one.
pub struct FurtherOracle {
    /// As the run store names it.
    pub judge: Judge,
    /// Its classes are the row's.
    pub oracle: Arc<dyn Oracle>,
}

impl ReadyRow {
    /// Hash of the generator's weights, where its table names a file of that name.
    pub fn weights_hash(&self) -> Option<&str> {
        self.plan.fingerprint.get("generator.weights").map(String::as_str)
    }

    /// What the engine needs of the row. `mask` holds a weight for each latent value, as
    /// [`LearnedMask`](crate::LearnedMask) and the row's settings give them; absent, everything may move.
    pub fn perturber<'a>(&'a self, mask: Option<&'a [f32]>) -> Perturber<'a> {
        Perturber {
            generator: &*self.generator,
            oracle: &*self.oracle,
            target: &*self.target,
            scorer: &*self.scorer,
            search: &self.settings.search,
            verdict: &self.verdict,
            classes: self.plan.classes.len(),
            mask,
            spread: None,
            observer: &(),
            cache: None,
        }
    }

    /// The mask as weights for the step rule of this row.
    pub(crate) fn weigh(&self, mask: &Mask) -> Result<Vec<f32>, MaskError> {
        let allow_empty = self.mask.as_ref().is_some_and(|mask| mask.table.settings.allow_empty);
        mask.for_run(self.generator.spec(), self.weights_hash(), allow_empty)
    }
}

/// A row of the experiment, ready or not.
pub enum PreparedRow {
    /// It can run.
    Ready(Box<ReadyRow>),
    /// It cannot run on this machine.
    CannotRun(Box<Row>, Lack),
}

/// An experiment whose components are made.
pub struct Prepared {
    /// The experiment file.
    pub experiment: Experiment,
    /// Its rows, in order.
    pub rows: Vec<PreparedRow>,
    /// Where its components tell how far they are with what takes long.
    pub progress: Progress,
}

impl Prepared {
    /// The rows that can run.
    pub fn ready(&self) -> impl Iterator<Item = &ReadyRow> {
        self.rows.iter().filter_map(|row| match row {
            PreparedRow::Ready(row) => Some(&**row),
            PreparedRow::CannotRun(..) => None,
        })
    }
}

/// Reads the data and makes the components of every row that can run here.
///
/// # Errors
/// The first thing that is wrong, with its place in the experiment file. Settings are checked before files are looked
/// for. A missing file is an error unless its table says how to obtain it, and so is a model that there is not.
pub fn prepare(experiment: Experiment, registry: &Registry) -> Result<Prepared, ConfigError> {
    prepare_until(experiment, registry, &Interrupt::default())
}

/// Refuses rows whose files would share a name: a run would end on them after all its work.
fn expect_file_names(experiment: &Experiment) -> Result<(), ConfigError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for row in &experiment.rows {
        let name = fmr_store::file_name(&row.id);
        if let Some(other) = seen.insert(name.to_lowercase(), &row.id) {
            let problem = format!("the rows {other:?} and {:?} would share the file name {name:?}", row.id);
            return Err(experiment.error_at(&row.at, problem, Some("give one of them a different `id`".to_owned())));
        }
    }
    Ok(())
}

/// As [`prepare`], for components that an interrupt tells to give up.
///
/// # Errors
/// As there.
pub fn prepare_until(
    experiment: Experiment,
    registry: &Registry,
    interrupt: &Interrupt,
) -> Result<Prepared, ConfigError> {
    expect_file_names(&experiment)?;
    let parts = Parts::new(&experiment, registry, interrupt);
    let progress = parts.progress().clone();
    let mut maker =
        Maker { experiment: &experiment, parts, data: BTreeMap::new(), fingerprints: Fingerprints::default() };
    let rows = experiment.rows.iter().map(|row| maker.row(row)).collect::<Result<_, _>>()?;
    Ok(Prepared { experiment, rows, progress })
}

/// Why a row cannot run here, if it cannot. Nothing is made, and no file is read but libraries of plugins, as far as the
/// registry loads these.
///
/// # Errors
/// A setting that makes no sense, or a missing file of which the experiment does not say how to obtain it.
pub fn lacks(experiment: &Experiment, registry: &Registry, row: &Row) -> Result<Option<Lack>, ConfigError> {
    Parts::new(experiment, registry, &Interrupt::default()).lacks(row)
}

/// The files that a row's tables name. Nothing is made and no file is read.
///
/// # Errors
/// A setting that makes no sense, or an `obtain` for a file that the table does not name.
pub(crate) fn files(experiment: &Experiment, registry: &Registry, row: &Row) -> Result<Vec<TableFiles>, ConfigError> {
    Parts::new(experiment, registry, &Interrupt::default()).files(row)
}

/// The target that an experiment knows by a name, for images of that shape; its logits are in its own order.
///
/// # Errors
/// The experiment has no such target, or the target cannot be made.
pub(crate) fn target(
    experiment: &Experiment,
    registry: &Registry,
    name: &str,
    image: [usize; 3],
    interrupt: &Interrupt,
) -> Result<Arc<dyn Target>, ConfigError> {
    if !experiment.targets.contains_key(name) {
        let known: Vec<&str> = experiment.targets.keys().map(String::as_str).collect();
        let help = format!("its targets are {}", known.join(", "));
        return Err(experiment.error_at("targets", format!("there is no target {name:?}"), Some(help)));
    }
    Ok(Parts::new(experiment, registry, interrupt).target(name, image)?.component)
}

/// Why a mask for the images `evaluated` cannot be learned from the images `learned`.
fn unfit(learned: &Samples, evaluated: &Samples) -> Option<String> {
    let [(a, ac), (b, bc)] = [learned, evaluated].map(|samples| (samples.image(), samples.data().classes()));
    if a != b {
        return Some(format!("has images of {a:?}, the row's are {b:?}"));
    }
    if ac != bc {
        return Some("has other classes than the row's data".to_owned());
    }
    let (learned, evaluated) = (learned.data(), evaluated.data());
    let keys: BTreeMap<&str, usize> = (0..evaluated.len()).map(|i| (evaluated.key(i), i)).collect();
    let same = |i: &usize| {
        let Some(at) = keys.get(learned.key(*i)) else { return false };
        matches!((learned.bytes(*i), evaluated.bytes(*at)), (Ok(a), Ok(b)) if a == b)
    };
    let shared: Vec<usize> = (0..learned.len()).filter(same).collect();
    let first = learned.key(*shared.first()?);
    Some(format!(
        "shares {} images with the row's data (first: {first}): a mask is learned from images that are not evaluated; \
         `skip` leaves images out",
        shared.len()
    ))
}

struct Maker<'a> {
    experiment: &'a Experiment,
    parts: Parts<'a>,
    data: BTreeMap<String, Samples>,
    fingerprints: Fingerprints,
}

impl Maker<'_> {
    /// A row with all that the experiment shows its images to.
    fn row(&mut self, row: &Row) -> Result<PreparedRow, ConfigError> {
        let e = self.experiment;
        let mut prepared = self.own_row(row)?;
        if let PreparedRow::Ready(ready) = &mut prepared {
            for also in &row.also {
                let other = Row { target: also.target.clone(), mask: None, ..row.clone() };
                // The report says of the others what they lack.
                if let PreparedRow::Ready(other) = self.own_row(&other)? {
                    let judge = Judge { name: e.targets[&also.target].label.clone(), ..other.plan.target() };
                    ready.also.push(Viewer { judge, target: other.target });
                }
            }
            for name in e.evaluate.oracles.iter().filter(|name| **name != row.oracle) {
                let other = Row { oracle: name.clone(), mask: None, ..row.clone() };
                if let PreparedRow::Ready(other) = self.own_row(&other)? {
                    let judge = Judge { name: e.oracles[name].label.clone(), ..other.plan.oracle() };
                    ready.further_oracles.push(FurtherOracle { judge, oracle: other.oracle });
                } else {
                    ready.remarks.push(format!("oracle {name:?} of evaluate.oracles cannot run here"));
                }
            }
        }
        Ok(prepared)
    }

    fn own_row(&mut self, row: &Row) -> Result<PreparedRow, ConfigError> {
        let e = self.experiment;
        if let Some(lack) = self.parts.lacks(row)? {
            return Ok(PreparedRow::CannotRun(Box::new(row.clone()), lack));
        }
        let samples = self.samples(&row.data)?;
        let image = samples.image();
        let generator = self.parts.generator(row, image)?;
        if let Err(error) = row.search.frozen(generator.component.spec()) {
            return Err(e.error_at("search.frozen-blocks", error.problem.to_string(), error.advice()));
        }
        let target = self.parts.target(&row.target, image)?;
        let classes = samples.data().classes().to_vec();
        let logits = target.component.spec().classes;
        if logits != classes.len() {
            let problem = format!("the target gives {logits} logits, {} has {} classes", row.data, classes.len());
            return Err(e.error_at(&format!("{}.target", row.at), problem, None));
        }
        let table = &e.data[&row.data];
        let Matched { target: ordered, remark } = match table.label_match {
            LabelMatch::Position => Matched { target: target.component, remark: None },
            LabelMatch::Name => {
                let data = DataClasses { own: samples.data().own_classes(), shown: &classes };
                classes::matched(target.component, data).map_err(|problem| {
                    let help = "name the classes as the target does in `classes` or `class-names`, or take the order as it \
                                is with `label-match = \"position\"`";
                    e.error_at(&format!("{}.target", row.at), problem, Some(help.to_owned()))
                })?
            }
        };
        let by_name = table.label_match == LabelMatch::Name;
        let published_accuracy = ordered.published_accuracy().filter(|_| by_name);
        let oracle = self.parts.oracle(row, &classes, image)?;
        let (scorer, scorer_files) = self.parts.scorer(row, image, &classes)?;
        let files = BTreeMap::from([
            (Role::Generator, generator.files),
            (Role::Target, target.files),
            (Role::Oracle, oracle.files),
            (Role::Scorer, scorer_files),
        ]);
        let of_components = files.values().flat_map(|files| files.sources.remarks.iter().cloned());
        let remarks = samples.data().remarks().iter().cloned().chain(remark).chain(of_components).collect();
        let fingerprint = self.fingerprints.of_row(e, row, samples.data(), &files);
        let fingerprint = fingerprint.map_err(|error| e.error_at(&row.at, error.to_string(), None))?;
        let plan = RowPlan {
            id: row.id.clone(),
            title: format!("{} · {}", e.data[&row.data].label, row.label),
            samples: samples.len(),
            classes: classes.clone(),
            fingerprint,
        };
        let mut ready = ReadyRow {
            scorer,
            verdict: Verdict::new(row.verdict.clone(), &classes),
            settings: row.clone(),
            plan,
            samples,
            generator: generator.component,
            oracle: oracle.component,
            target: ordered,
            mask: None,
            published_accuracy,
            also: Vec::new(),
            further_oracles: Vec::new(),
            remarks,
        };
        if let Some(name) = &row.mask {
            self.add_mask(&mut ready, &e.masks[name])?;
        }
        Ok(PreparedRow::Ready(Box::new(ready)))
    }

    /// Puts a mask on a row, and on its fingerprint what the results depend on for it.
    fn add_mask(&mut self, row: &mut ReadyRow, table: &MaskTable) -> Result<(), ConfigError> {
        let e = self.experiment;
        let refuse = |key: &str, problem: String| e.error_at(&format!("{}.{key}", table.at()), problem, None);
        let source = match (&table.learn_from, table.file(&e.base)) {
            (Some(from), _) => {
                let samples = self.samples(from)?;
                if let Some(problem) = unfit(&samples, &row.samples) {
                    return Err(refuse("learn-from", format!("{from} {problem}")));
                }
                row.plan.fingerprint.extend(table.fingerprint(&Masking::Learned(&e.data[from], samples.data())));
                MaskSource::Learn(samples)
            }
            (None, Some(file)) => {
                let refuse = |error: MaskError| refuse("file", error.to_string());
                let mask = Mask::load(&file).map_err(refuse)?.spread(table.settings.kind);
                let hash = row.weights_hash();
                mask.for_run(row.generator.spec(), hash, table.settings.allow_empty).map_err(refuse)?;
                row.plan.fingerprint.extend(table.fingerprint(&Masking::Read(&mask)));
                MaskSource::File(Box::new(mask))
            }
            (None, None) => return Ok(()),
        };
        row.mask = Some(RowMask { table: table.clone(), source });
        Ok(())
    }

    fn samples(&mut self, name: &str) -> Result<Samples, ConfigError> {
        if let Some(samples) = self.data.get(name) {
            return Ok(samples.clone());
        }
        let samples = data::samples(self.experiment, name)?;
        self.data.insert(name.to_owned(), samples.clone());
        Ok(samples)
    }
}

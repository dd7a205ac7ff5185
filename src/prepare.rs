//! From an experiment file to components that are ready to run: everything that can be wrong is found here, before any
//! work starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use fmr_core::registry::{MakeError, Registry, Site};
use fmr_core::scorer::ScorerSettings;
use fmr_core::verdict::Verdict;
use fmr_core::{Generator, Oracle, Scorer, Target};
use fmr_data::{Dataset, Samples};
use fmr_experiment::{
    ComponentTable, ConfigError, Experiment, Fingerprints, LabelMatch, MaskTable, Masking, MissingFiles, Row, closest,
};
use fmr_mask::{Mask, MaskError};
use fmr_store::RowPlan;

use crate::classes::{self, DataClasses, Matched};
use crate::components::plugin_hashes;
use crate::masks::{MaskSource, RowMask};

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
    /// Sentences about images and classes that a reader of the figures must know.
    pub remarks: Vec<String>,
}

impl ReadyRow {
    /// Hash of the generator's weights, where its table names a file of that name.
    pub fn weights_hash(&self) -> Option<&str> {
        self.plan.fingerprint.get("generator.weights").map(String::as_str)
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
    /// Files that it needs are not on this machine.
    Missing(Box<Row>, Vec<MissingFiles>),
}

/// An experiment whose components are made.
pub struct Prepared {
    /// The experiment file.
    pub experiment: Experiment,
    /// Its rows, in order.
    pub rows: Vec<PreparedRow>,
}

impl Prepared {
    /// The rows that can run.
    pub fn ready(&self) -> impl Iterator<Item = &ReadyRow> {
        self.rows.iter().filter_map(|row| match row {
            PreparedRow::Ready(row) => Some(&**row),
            PreparedRow::Missing(..) => None,
        })
    }
}

/// Reads the data and makes the components of every row whose files are there.
///
/// # Errors
/// The first thing that is wrong, with its place in the experiment file. A missing file is an error unless its table
/// says how to obtain it.
pub fn prepare(experiment: Experiment, registry: &Registry) -> Result<Prepared, ConfigError> {
    let mut maker = Maker { experiment: &experiment, registry, made: Made::default() };
    let rows = experiment.rows.iter().map(|row| maker.row(row)).collect::<Result<_, _>>()?;
    Ok(Prepared { experiment, rows })
}

/// What several rows share.
#[derive(Default)]
struct Made {
    data: BTreeMap<String, Samples>,
    targets: BTreeMap<(String, [usize; 3]), Arc<dyn Target>>,
    generators: BTreeMap<(String, [usize; 3]), Arc<dyn Generator>>,
    oracles: BTreeMap<(String, String), Arc<dyn Oracle>>,
    fingerprints: Fingerprints,
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
    registry: &'a Registry,
    made: Made,
}

impl Maker<'_> {
    fn row(&mut self, row: &Row) -> Result<PreparedRow, ConfigError> {
        let e = self.experiment;
        self.expect_kinds(row)?;
        let missing = e.missing(row);
        if let Some(file) = missing.iter().find(|file| file.obtain.is_none()) {
            let help = "correct the path, or say in `obtain = { what = …, get = … }` what to get".to_owned();
            return Err(e.error_at(&file.key, format!("there is no file {}", file.list()), Some(help)));
        }
        if !missing.is_empty() {
            return Ok(PreparedRow::Missing(Box::new(row.clone()), missing));
        }
        let samples = self.samples(&row.data)?;
        let generator = self.generator(row, samples.image())?;
        let target = self.target(row, samples.image())?;
        let classes = samples.data().classes().to_vec();
        if target.spec().classes != classes.len() {
            let problem = format!(
                "the target gives {} logits, {} has {} classes",
                target.spec().classes,
                row.data,
                classes.len()
            );
            return Err(e.error_at(&format!("{}.target", row.at), problem, None));
        }
        let table = &e.data[&row.data];
        let Matched { target, remark } = match table.label_match {
            LabelMatch::Position => Matched { target, remark: None },
            LabelMatch::Name => {
                let data = DataClasses { own: samples.data().own_classes(), shown: &classes };
                classes::matched(target, data).map_err(|problem| {
                    let help = "name the classes as the target does in `classes` or `class-names`, or take the order as it \
                                is with `label-match = \"position\"`";
                    e.error_at(&format!("{}.target", row.at), problem, Some(help.to_owned()))
                })?
            }
        };
        let remarks = samples.data().remarks().iter().cloned().chain(remark).collect();
        let oracle = self.oracle(row, &classes, samples.image())?;
        let scorer = self.scorer(row, samples.image())?;
        let mut fingerprint = self
            .made
            .fingerprints
            .of_row(e, row, samples.data())
            .map_err(|error| e.error_at(&row.at, error.to_string(), None))?;
        fingerprint.extend(plugin_hashes(e, row));
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
            generator,
            oracle,
            target,
            mask: None,
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

    /// Refuses unknown kinds even where files are missing.
    fn expect_kinds(&self, row: &Row) -> Result<(), ConfigError> {
        let (e, r) = (self.experiment, self.registry);
        let roles: [(&str, &ComponentTable, Vec<&str>); 3] = [
            ("target", &e.targets[&row.target], r.target_kinds().collect()),
            ("generator", &e.generators[&row.generator], r.generator_kinds().collect()),
            ("oracle", &e.oracles[&row.oracle], r.oracle_kinds().collect()),
        ];
        for (role, table, known) in roles {
            if !known.contains(&table.kind.as_str()) {
                return Err(self.unknown_kind(role, table, &known));
            }
        }
        Ok(())
    }

    fn unknown_kind(&self, role: &str, table: &ComponentTable, known: &[&str]) -> ConfigError {
        let problem = format!("there is no {role} of kind {:?}", table.kind);
        let help = match closest(&table.kind, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the kinds are {}", known.join(", ")),
        };
        self.experiment.error_at(&format!("{}.kind", table.at), problem, Some(help))
    }

    fn samples(&mut self, name: &str) -> Result<Samples, ConfigError> {
        if let Some(samples) = self.made.data.get(name) {
            return Ok(samples.clone());
        }
        let e = self.experiment;
        let table = &e.data[name];
        let refuse = |problem: String| {
            let files = table.files(&e.base).into_iter();
            let key =
                files.filter(|(_, path)| problem.starts_with(&*path.to_string_lossy())).map(|(key, _)| key).next();
            let own = ["class-names", "grouping", "split", "folders"].into_iter().find(|key| problem.starts_with(key));
            let key = key.or(own).unwrap_or("kind");
            e.error_at(&format!("data.{}.{key}", table.name), problem, None)
        };
        let mut settings = table.settings.clone();
        for (key, path) in table.files(&e.base) {
            match key {
                "images" => settings.images = Some(path),
                "labels" => settings.labels = Some(path),
                _ => settings.path = Some(path),
            }
        }
        let data: Dataset = settings.load().map_err(|error| refuse(error.to_string()))?;
        let samples = Samples::new(Arc::new(data), table.resolution, table.resize, e.run.seed)
            .map_err(|error| refuse(error.to_string()))?;
        self.made.data.insert(name.to_owned(), samples.clone());
        Ok(samples)
    }

    fn generator(&mut self, row: &Row, image: [usize; 3]) -> Result<Arc<dyn Generator>, ConfigError> {
        let key = (row.generator.clone(), image);
        if let Some(generator) = self.made.generators.get(&key) {
            return Ok(generator.clone());
        }
        let table = &self.experiment.generators[&row.generator];
        let made = self.registry.generator(&table.kind, &table.settings, &self.site(image));
        let generator: Arc<dyn Generator> = Arc::from(made.map_err(|error| self.refuse("generator", table, error))?);
        self.made.generators.insert(key, generator.clone());
        Ok(generator)
    }

    fn target(&mut self, row: &Row, image: [usize; 3]) -> Result<Arc<dyn Target>, ConfigError> {
        let key = (row.target.clone(), image);
        if let Some(target) = self.made.targets.get(&key) {
            return Ok(target.clone());
        }
        let table = &self.experiment.targets[&row.target];
        let made = self.registry.target(&table.kind, &table.settings, &self.site(image));
        let target: Arc<dyn Target> = Arc::from(made.map_err(|error| self.refuse("target", table, error))?);
        self.made.targets.insert(key, target.clone());
        Ok(target)
    }

    /// An oracle is told its classes once, so that each data set has one of its own.
    fn oracle(&mut self, row: &Row, classes: &[String], image: [usize; 3]) -> Result<Arc<dyn Oracle>, ConfigError> {
        let key = (row.oracle.clone(), row.data.clone());
        if let Some(oracle) = self.made.oracles.get(&key) {
            return Ok(oracle.clone());
        }
        let e = self.experiment;
        let (table, data) = (&e.oracles[&row.oracle], &e.data[&row.data]);
        let made = self.registry.oracle(&table.kind, &table.settings, &self.site(image));
        let mut oracle = made.map_err(|error| self.refuse("oracle", table, error))?;
        let templates = data.templates.clone().or_else(|| table.templates.clone());
        let templates = templates.unwrap_or_else(|| vec![PROMPT.to_owned()]);
        oracle.set_classes(classes, &templates).map_err(|error| {
            let place = match (error.to_string().contains("template"), &data.templates) {
                (true, Some(_)) => format!("data.{}.templates", data.name),
                (true, None) => format!("{}.templates", table.at),
                (false, _) if data.settings.class_names.is_own() => format!("data.{}.classes", data.name),
                (false, _) => format!("data.{}.class-names", data.name),
            };
            e.error_at(&place, error.to_string(), None)
        })?;
        let oracle: Arc<dyn Oracle> = Arc::from(oracle);
        self.made.oracles.insert(key, oracle.clone());
        Ok(oracle)
    }

    /// Built-in scorers, or one that a plugin registered.
    fn scorer(&self, row: &Row, image: [usize; 3]) -> Result<Box<dyn Scorer>, ConfigError> {
        let table = &row.scorer;
        if self.registry.scorer_kinds().any(|kind| kind == table.kind) {
            let made = self.registry.scorer(&table.kind, &table.settings, &self.site(image));
            return made.map_err(|error| self.refuse("scorer", table, error));
        }
        let mut settings = table.settings.clone();
        settings.0.insert("kind".to_owned(), table.kind.as_str().into());
        let settings: ScorerSettings =
            settings.parse().map_err(|error| self.experiment.component_error(table, &error))?;
        Ok(settings.build())
    }

    fn site(&self, image: [usize; 3]) -> Site {
        let run = &self.experiment.run;
        Site { base: self.experiment.base.clone(), device: run.device.clone(), seed: run.seed, image }
    }

    fn refuse(&self, role: &str, table: &ComponentTable, error: MakeError) -> ConfigError {
        let e = self.experiment;
        match error {
            MakeError::Setting(error) if error.key == "device" && !table.settings.0.contains_key("device") => {
                e.error_at("run.device", format!("run.{error}"), None)
            }
            MakeError::Setting(error) => e.component_error(table, &error),
            MakeError::Unknown { known, .. } => self.unknown_kind(role, table, &known.split(", ").collect::<Vec<_>>()),
            error => {
                // The place is the key of the file that the message names, if it names one.
                let text = error.to_string();
                let files = table.files(&e.base).into_iter();
                let named =
                    files.filter(|(_, path)| text.contains(&*path.to_string_lossy())).map(|(key, _)| key).next();
                let place = named.map_or_else(|| table.at.clone(), |key| format!("{}.{key}", table.at));
                e.error_at(&place, text, None)
            }
        }
    }
}

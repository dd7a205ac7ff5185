//! The components of rows: checked first, made once for all rows that share them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fmr_core::registry::{Component, MakeContext, MakeError, NamedFile, Registry, Role};
use fmr_core::{Generator, Oracle, Progress, Scorer, SettingError, SettingProblem, Subject, Target, near};
use fmr_experiment::{ComponentFiles, ComponentTable, ConfigError, Experiment, Lack, Row, TableFiles};

use super::PROMPT;
use crate::interrupt::Interrupt;

/// A component and the files that it was made of.
pub(super) struct Part<T: ?Sized> {
    pub(super) component: Arc<T>,
    pub(super) files: ComponentFiles,
}

impl<T: ?Sized> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self { component: Arc::clone(&self.component), files: self.files.clone() }
    }
}

/// Components of one role, by their table and the shape of the images.
type Made<T> = BTreeMap<(String, [usize; 3]), Part<T>>;

/// Checks and makes components as tables of the experiment describe them.
pub(super) struct Parts<'a> {
    bench: Bench<'a>,
    targets: Made<dyn Target>,
    generators: Made<dyn Generator>,
    oracles: BTreeMap<(String, String), Part<dyn Oracle>>,
}

/// What components are made with.
struct Bench<'a> {
    experiment: &'a Experiment,
    registry: &'a Registry,
    interrupt: &'a Interrupt,
    progress: Progress,
}

impl<'a> Parts<'a> {
    pub(super) fn new(experiment: &'a Experiment, registry: &'a Registry, interrupt: &'a Interrupt) -> Self {
        let (targets, generators, oracles) = Default::default();
        let progress = Progress::until(interrupt.flag());
        Self { bench: Bench { experiment, registry, interrupt, progress }, targets, generators, oracles }
    }

    /// Where the components tell how far they are.
    pub(super) fn progress(&self) -> &Progress {
        &self.bench.progress
    }

    /// Why a row cannot run here, if it cannot; found out without any of its files.
    pub(super) fn lacks(&self, row: &Row) -> Result<Option<Lack>, ConfigError> {
        let e = self.bench.experiment;
        let mut named = BTreeMap::new();
        for (role, table) in e.components(row) {
            match self.check(row, role, table) {
                Ok(files) => drop(named.insert(role, files)),
                // What a table says how to obtain need not be known here yet.
                Err(error) if table.obtain.is_some() && is_unknown(&error) => {
                    return Ok(Some(Lack::NotImplemented(self.bench.refuse(table, &[], error).in_a_line())));
                }
                Err(error) => return Err(self.bench.refuse(table, &[], error)),
            }
        }
        let missing = e.missing(row, &|role, _| named.get(&role).cloned().unwrap_or_default());
        if let Some(file) = missing.iter().find(|file| file.obtain.is_none()) {
            let help = if file.published {
                format!("`fmr fetch {}` downloads it; or correct the path", e.file().display())
            } else {
                "correct the path, or say in `obtain = { what = …, get = … }` what to get".to_owned()
            };
            return Err(e.error_at(&file.key, format!("there is no file {}", file.list()), Some(help)));
        }
        Ok((!missing.is_empty()).then_some(Lack::Files(missing)))
    }

    /// The files that a row's tables name; of a component that there is not, those that its table says how to obtain.
    pub(super) fn files(&self, row: &Row) -> Result<Vec<TableFiles>, ConfigError> {
        let e = self.bench.experiment;
        let mut named = BTreeMap::new();
        for (role, table) in e.components(row) {
            let files = match self.check(row, role, table) {
                Ok(files) => files,
                Err(error) if table.obtain.is_some() && is_unknown(&error) => obtainable(table, &e.base),
                Err(error) => return Err(self.bench.refuse(table, &[], error)),
            };
            named.insert(role, files);
        }
        let tables = e.files(row, &|role, _| named.get(&role).cloned().unwrap_or_default());
        for table in &tables {
            let keys: Vec<&str> = table.files.iter().map(|file| file.key.as_str()).collect();
            let remote = table.obtain.iter().flat_map(|obtain| &obtain.files);
            if let Some((i, file)) = remote.enumerate().find(|(_, file)| !keys.contains(&&*file.key)) {
                let place = format!("{}.obtain.files[{i}].key", table.at);
                let problem = format!("{place} is {:?}, which names no file of [{}]", file.key, table.at);
                return Err(e.error_at(
                    &place,
                    problem,
                    Some(format!("the keys of its files are {}", keys.join(", "))),
                ));
            }
        }
        Ok(tables)
    }

    /// Checks the settings of a component of a row, and gives the files that they name.
    fn check(&self, row: &Row, role: Role, table: &ComponentTable) -> Result<Vec<NamedFile>, MakeError> {
        let side = self.bench.experiment.data[&row.data].resolution;
        // The pictures are not looked at yet.
        let context = self.bench.context(side.map_or([0; 3], |side| [3, side, side]));
        let (kind, settings) = (&table.kind, &table.settings);
        match role {
            Role::Generator => self.bench.registry.check::<dyn Generator>(kind, settings, &context),
            Role::Oracle => self.bench.registry.check::<dyn Oracle>(kind, settings, &context),
            Role::Target => self.bench.registry.check::<dyn Target>(kind, settings, &context),
            Role::Scorer => self.bench.registry.check::<dyn Scorer>(kind, settings, &context),
        }
    }

    pub(super) fn generator(&mut self, row: &Row, image: [usize; 3]) -> Result<Part<dyn Generator>, ConfigError> {
        let table = &self.bench.experiment.generators[&row.generator];
        self.bench.once(&mut self.generators, (row.generator.clone(), image), table)
    }

    /// The target of that name, which the experiment has.
    pub(super) fn target(&mut self, name: &str, image: [usize; 3]) -> Result<Part<dyn Target>, ConfigError> {
        let table = &self.bench.experiment.targets[name];
        self.bench.once(&mut self.targets, (name.to_owned(), image), table)
    }

    /// An oracle is told its classes once, so that each data set has one of its own.
    pub(super) fn oracle(
        &mut self,
        row: &Row,
        classes: &[String],
        image: [usize; 3],
    ) -> Result<Part<dyn Oracle>, ConfigError> {
        let key = (row.oracle.clone(), row.data.clone());
        if let Some(part) = self.oracles.get(&key) {
            return Ok(part.clone());
        }
        let e = self.bench.experiment;
        let (table, data) = (&e.oracles[&row.oracle], &e.data[&row.data]);
        let (mut oracle, files): (Box<dyn Oracle>, _) = self.bench.make(table, image)?;
        let templates = data.templates.clone().or_else(|| table.templates.clone());
        let templates = templates.unwrap_or_else(|| vec![PROMPT.to_owned()]);
        oracle.set_classes(classes, &templates).map_err(|error| {
            let place = match (&error.subject, &data.templates) {
                (Subject::Templates, Some(_)) => format!("data.{}.templates", data.name),
                (Subject::Templates, None) => format!("{}.templates", table.at),
                _ if data.settings.class_names.is_own() => format!("data.{}.classes", data.name),
                _ => format!("data.{}.class-names", data.name),
            };
            e.error_at(&place, error.to_string(), None)
        })?;
        let part = Part { component: Arc::from(oracle), files };
        self.oracles.insert(key, part.clone());
        Ok(part)
    }

    pub(super) fn scorer(
        &self,
        row: &Row,
        image: [usize; 3],
        classes: &[String],
    ) -> Result<(Box<dyn Scorer>, ComponentFiles), ConfigError> {
        self.bench.make_in(&row.scorer, self.bench.context(image).with_classes(classes))
    }
}

impl<'a> Bench<'a> {
    /// The component of a table, made where no row had it before.
    fn once<T: Component + ?Sized>(
        &self,
        made: &mut Made<T>,
        key: (String, [usize; 3]),
        table: &ComponentTable,
    ) -> Result<Part<T>, ConfigError> {
        if let Some(part) = made.get(&key) {
            return Ok(part.clone());
        }
        let (component, files) = self.make::<T>(table, key.1)?;
        let part = Part { component: Arc::from(component), files };
        made.insert(key, part.clone());
        Ok(part)
    }

    fn make<T: Component + ?Sized>(
        &self,
        table: &ComponentTable,
        image: [usize; 3],
    ) -> Result<(Box<T>, ComponentFiles), ConfigError> {
        self.make_in(table, self.context(image))
    }

    fn make_in<T: Component + ?Sized>(
        &self,
        table: &ComponentTable,
        context: MakeContext<'a>,
    ) -> Result<(Box<T>, ComponentFiles), ConfigError> {
        // Checked once more, now that the shape of the images is known.
        let named = self.registry.check::<T>(&table.kind, &table.settings, &context);
        let named = named.map_err(|error| self.refuse(table, &[], error))?;
        let made = self.registry.make::<T>(&table.kind, &table.settings, &context);
        let component = made.map_err(|error| self.refuse(table, &named, error))?;
        Ok((component, ComponentFiles { named, sources: context.sources() }))
    }

    fn context(&self, image: [usize; 3]) -> MakeContext<'a> {
        let run = &self.experiment.run;
        let mut context = MakeContext::new(self.registry, image)
            .with_base(&self.experiment.base)
            .with_device(&run.device)
            .with_seed(run.seed);
        context.cancel = Some(self.interrupt.flag());
        context.progress.clone_from(&self.progress);
        context.cache.clone_from(&run.cache);
        context
    }

    /// The error with its place in the experiment file. `named` are the files that the component's settings name.
    fn refuse(&self, table: &ComponentTable, named: &[NamedFile], error: MakeError) -> ConfigError {
        let e = self.experiment;
        match error {
            MakeError::Setting(error) if error.key == "device" && !table.settings.0.contains_key("device") => {
                e.error_at("run.device", format!("run.{error}"), None)
            }
            MakeError::Setting(error) => e.component_error(table, &error),
            MakeError::Unknown { role, kind, known } => {
                let help = match near(&kind, known.iter().map(String::as_str)).first() {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("the kinds are {}", known.join(", ")),
                };
                let problem = format!("there is no {role} of kind {kind:?}");
                e.error_at(&format!("{}.kind", table.at), problem, Some(help))
            }
            MakeError::Component(error) => {
                let key = match &error.subject {
                    Subject::File(file) => named.iter().find(|named| file.starts_with(&named.path)).map(|n| &n.key),
                    _ => None,
                };
                let place = key.map_or_else(|| table.at.clone(), |key| format!("{}.{key}", table.at));
                e.error_at(&place, error.to_string(), None)
            }
            error => e.error_at(&table.at, error.to_string(), None),
        }
    }
}

/// Files that a table's settings name and its `obtain` knows.
fn obtainable(table: &ComponentTable, base: &Path) -> Vec<NamedFile> {
    let path = |key: &str| table.settings.0.get(key).and_then(|path| path.as_str()).map(|path| base.join(path));
    let remote = table.obtain.iter().flat_map(|obtain| &obtain.files);
    let named = remote.filter_map(|file| {
        Some(NamedFile { key: file.key.clone().into_owned(), path: path(&file.key)?, published: None })
    });
    named.collect()
}

/// Whether the table names a component or a model that there is not.
fn is_unknown(error: &MakeError) -> bool {
    let model = |error: &SettingError| match &error.problem {
        SettingProblem::UnknownName { what, .. } => what == "model",
        SettingProblem::Absent(_) => true,
        _ => false,
    };
    match error {
        MakeError::Unknown { .. } => true,
        MakeError::Setting(error) => model(error),
        _ => false,
    }
}

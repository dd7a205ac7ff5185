//! An experiment file as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fmr_core::SettingError;
use fmr_core::metrics::MetricsSettings;
use fmr_core::perturb::SearchSettings;
use fmr_core::verdict::VerdictSettings;
use serde_json::Value;

use super::error::{ConfigError, Source};
use super::inherit::{Document, read_text};
use super::masks::MaskTable;
use super::node::{Node, join};
use super::rows::{Common, Row, checked, given};
use super::sections::{EvaluateSettings, ReportSettings, RunSettings};
use super::suggest;
use super::tables::{ComponentTable, DataTable};

/// What a caller changes of a file, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// A `[profiles.NAME]` table to lay on top.
    pub profile: Option<String>,
    /// Values by dotted path, e.g. `run.lanes`.
    pub values: Vec<(String, Value)>,
    /// At most this many images of every data set.
    pub limit: Option<usize>,
}

/// An experiment file that has been read and checked, as far as that is possible without its other files.
///
/// ```
/// use std::path::Path;
///
/// use fmr_experiment::{Changes, Experiment};
///
/// # let text = "data.digits = { kind = 'idx', images = 'images.gz', labels = 'labels.gz' }\n\
/// #     targets.lenet = { kind = 'zoo', model = 'lenet' }\ngenerators.vqgan.kind = 'vqgan'\noracles.clip.kind = 'clip'\n\
/// #     [[rows]]\ndata = 'digits'\ntarget = 'lenet'\nvary = { 'search.budget' = [10, 50] }".to_owned();
/// let changes = Changes { values: vec![("search.step-size".to_owned(), 0.01.into())], ..Changes::default() };
/// let experiment = Experiment::parse(Path::new("digits.toml"), text, Path::new("."), &changes)?;
/// // A row for each value that varies.
/// let budgets: Vec<usize> = experiment.rows.iter().map(|row| row.search.budget).collect();
/// assert_eq!(budgets, [10, 50]);
/// assert_eq!(experiment.rows[0].search.step_size, 0.01);
/// # Ok::<(), fmr_experiment::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Name of the run.
    pub name: String,
    /// Title of the table.
    pub title: String,
    /// How the work is done.
    pub run: RunSettings,
    /// How samples become figures.
    pub metrics: MetricsSettings,
    /// What people read.
    pub report: ReportSettings,
    /// What else the images of the run are good for.
    pub evaluate: EvaluateSettings,
    /// Data sets by name.
    pub data: BTreeMap<String, DataTable>,
    /// Targets by name.
    pub targets: BTreeMap<String, ComponentTable>,
    /// Generators by name.
    pub generators: BTreeMap<String, ComponentTable>,
    /// Oracles by name.
    pub oracles: BTreeMap<String, ComponentTable>,
    /// Masks by name; there need not be any.
    pub masks: BTreeMap<String, MaskTable>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Folder that relative paths start from.
    pub base: PathBuf,
    /// Folders in which plugins are looked for first.
    pub plugin_path: Vec<PathBuf>,
    source: Source,
    root: Node,
}

const KEYS: [&str; 19] = [
    "extends",
    "name",
    "title",
    "base",
    "data",
    "targets",
    "generators",
    "oracles",
    "masks",
    "scorer",
    "search",
    "verdict",
    "metrics",
    "report",
    "evaluate",
    "run",
    "rows",
    "profiles",
    "plugin-path",
];

/// Those that are tables, or tables of tables.
const TABLES: [&str; 12] = [
    "data",
    "targets",
    "generators",
    "oracles",
    "masks",
    "scorer",
    "search",
    "verdict",
    "metrics",
    "report",
    "evaluate",
    "run",
];

impl Experiment {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or the first thing that is wrong with it.
    pub fn read(file: &Path, changes: &Changes) -> Result<Self, ConfigError> {
        Self::parse(file, text_of(file)?, file.parent().unwrap_or(Path::new("")), changes)
    }

    /// Whether a file has rows, its own or inherited ones. One without holds tables for other files to extend.
    ///
    /// # Errors
    /// The file cannot be read, it is no TOML, or what it extends is not there.
    pub fn has_rows(file: &Path) -> Result<bool, ConfigError> {
        let document = Document::read(file, text_of(file)?, file.parent().unwrap_or(Path::new("")))?;
        Ok(document.root.get("rows").is_some())
    }

    /// Reads the text of a file whose relative paths start from `folder`, unless it names a `base`. So does the path of a
    /// file that it `extends`, independently of `base`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(file: &Path, text: String, folder: &Path, changes: &Changes) -> Result<Self, ConfigError> {
        let Document { source, root, base } = Document::read(file, text, folder)?;
        let stated = root.get("base").cloned();
        let root = changed(&source, root, changes)?;
        let base = match optional::<PathBuf>(&source, &root, "base")? {
            Some(changed) if root.get("base") != stated.as_ref() => folder.join(changed),
            _ => base,
        };
        root.expect_keys(&source, "", &KEYS)?;
        for (key, node) in TABLES.iter().filter_map(|key| Some((*key, root.get(key)?))) {
            node.expect_table(&source, key)?;
        }
        check_profiles(&source, &root)?;
        let plugin_path: Vec<PathBuf> = optional(&source, &root, "plugin-path")?.unwrap_or_default();
        let name = name_of(&source, &root, file)?;
        let metrics: MetricsSettings = optional(&source, &root, "metrics")?.unwrap_or_default();
        let data = tables(&source, &root, "data", DataTable::read)?;
        let mut experiment = Self {
            title: optional(&source, &root, "title")?.unwrap_or_else(|| name.clone()),
            name,
            run: optional(&source, &root, "run")?.unwrap_or_default(),
            metrics,
            report: optional(&source, &root, "report")?.unwrap_or_default(),
            evaluate: optional(&source, &root, "evaluate")?.unwrap_or_default(),
            masks: masks(&source, &root, &data)?,
            data,
            targets: components(&source, &root, "targets")?,
            generators: components(&source, &root, "generators")?,
            oracles: components(&source, &root, "oracles")?,
            rows: Vec::new(),
            plugin_path: plugin_path.iter().map(|folder| base.join(folder)).collect(),
            base,
            source,
            root,
        };
        experiment.check_settings()?;
        experiment.rows = experiment.expand_rows()?;
        Ok(experiment)
    }

    fn check_settings(&self) -> Result<(), ConfigError> {
        let refuse = |table: &str, e: &SettingError| {
            let node = self.root.get(table).cloned().unwrap_or_default();
            checked(&self.source, &node, table, e)
        };
        self.metrics.check().map_err(|e| refuse("metrics", &e))?;
        let ranges = [("batch", self.run.batch, 0, 65_536), ("lanes", self.run.lanes, 0, 1024)];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                let problem = format!("is {value}, must be from {least} to {most}");
                return Err(refuse("run", &SettingError::new(key, problem)));
            }
        }
        if let Some(name) = self.evaluate.also.iter().find(|name| !self.targets.contains_key(*name)) {
            let known = self.targets.keys().map(String::as_str);
            return Err(refuse("evaluate", &SettingError::unknown_name("also", "target", name, known)));
        }
        if let Some(name) = self.evaluate.oracles.iter().find(|name| !self.oracles.contains_key(*name)) {
            let known = self.oracles.keys().map(String::as_str);
            return Err(refuse("evaluate", &SettingError::unknown_name("oracles", "oracle", name, known)));
        }
        if self.report.digits > 6 {
            let problem = format!("is {}, must be from 0 to 6", self.report.digits);
            return Err(refuse("report", &SettingError::new("digits", problem)));
        }
        Ok(())
    }

    fn expand_rows(&self) -> Result<Vec<Row>, ConfigError> {
        fn labels(tables: &BTreeMap<String, ComponentTable>) -> BTreeMap<&str, &str> {
            tables.iter().map(|(name, table)| (name.as_str(), table.label.as_str())).collect()
        }
        let part = |key: &str| self.root.get(key).cloned().unwrap_or_default();
        let mut scorer = part("scorer");
        if scorer.get("kind").is_none() && scorer.get("plugin").is_none() {
            scorer.set("kind", Node::given(&"cross-entropy".into()));
        }
        let common = Common {
            source: &self.source,
            also: &self.evaluate.also,
            base: &self.base,
            tables: BTreeMap::from([
                ("data", self.data.iter().map(|(name, table)| (name.as_str(), table.label.as_str())).collect()),
                ("target", labels(&self.targets)),
                ("generator", labels(&self.generators)),
                ("oracle", labels(&self.oracles)),
                ("mask", self.masks.iter().map(|(name, table)| (name.as_str(), table.label.as_str())).collect()),
            ]),
            search: part("search"),
            verdict: part("verdict"),
            scorer,
        };
        let Some(list) = self.root.get("rows") else {
            let help = "a table needs at least one [[rows]] with the names of its data set and target".to_owned();
            return Err(self.source.error(None, "the file has no [[rows]]", Some(help)));
        };
        let mut rows = Vec::new();
        for (index, node) in list.items().iter().enumerate() {
            rows.extend(common.expand(index, node)?.into_iter().map(|(row, long)| (row, long, node)));
        }
        let mut short = BTreeMap::<String, usize>::new();
        rows.iter().for_each(|(row, ..)| *short.entry(row.id.clone()).or_default() += 1);
        if rows.is_empty() {
            let help = "name the data set and the target of each row in a [[rows]] table".to_owned();
            return Err(self.source.error(
                list.value_span(),
                "rows is an empty array: there is nothing to run",
                Some(help),
            ));
        }
        let mut seen = BTreeSet::new();
        for (row, long, node) in &mut rows {
            if short[&row.id] > 1 {
                row.id.clone_from(long);
            }
            if !seen.insert(row.id.clone()) {
                let problem = format!("two rows are {:?}", row.id);
                let help =
                    "rows must differ in data, target, generator, oracle, mask or in what they vary, or have an `id`";
                return Err(self.source.error(node.value_span(), problem, Some(help.to_owned())));
            }
        }
        Ok(rows.into_iter().map(|(row, ..)| row).collect())
    }

    /// The experiment file.
    pub fn file(&self) -> &Path {
        self.source.file()
    }

    /// An error about a key of a component's table; the setting's key is relative to the table.
    pub fn component_error(&self, table: &ComponentTable, error: &SettingError) -> ConfigError {
        table.node.setting_error(&self.source, &table.at, error)
    }

    /// An error about the value at a dotted path.
    pub fn error_at(&self, path: &str, problem: impl Into<String>, help: Option<String>) -> ConfigError {
        self.source.error(self.root.find(path).0.value_span(), problem, help)
    }

    /// The file with the changes applied, every default written out and every row by itself, such that it can be read
    /// again from anywhere and without the paper's tables.
    pub fn resolved(&self) -> String {
        let mut root = self.root.clone();
        root.take("profiles");
        let settings = [
            ("search", given(&SearchSettings::default())),
            ("verdict", given(&VerdictSettings::default())),
            ("scorer", given(&BTreeMap::from([("kind", "cross-entropy")]))),
            ("metrics", given(&self.metrics)),
            ("run", given(&self.run)),
            ("report", given(&self.report)),
            ("evaluate", given(&self.evaluate)),
            ("name", given(&self.name)),
            ("title", given(&self.title)),
        ];
        for (key, mut table) in settings {
            if let Some(given) = root.get(key) {
                table.overlay(given);
            }
            root.set(key, table);
        }
        if let Some(cache) = &self.run.cache {
            // A resumed run finds it from any folder.
            root.set("run.cache", given(&std::path::absolute(cache).unwrap_or_else(|_| cache.clone())));
        }
        for table in self.masks.values().filter(|table| table.learn_from.is_some()) {
            let mut settings = given(&table.settings);
            root.get("masks")
                .and_then(|masks| masks.get(&table.name))
                .into_iter()
                .for_each(|own| settings.overlay(own));
            root.set(&table.at(), settings);
        }
        root.set("base", given(&std::path::absolute(self.base.join(".")).unwrap_or_else(|_| self.base.clone())));
        root.set("rows", Node::list(self.rows.iter().map(|row| row.to_node(&root)).collect()));
        toml::to_string_pretty(&root.to_json()).unwrap_or_else(|e| format!("# {e}\n"))
    }
}

/// The text of a file.
pub(super) fn text_of(file: &Path) -> Result<String, ConfigError> {
    read_text(file).map_err(|(problem, help)| ConfigError::of_file(file, problem, help.map(str::to_owned)))
}

/// Bytes of the longest name: a run's folder adds a number, and a file system allows 255.
const LONGEST_NAME: usize = 200;

/// The experiment's name, which new runs are named after: the file's own unless it gives one.
fn name_of(source: &Source, root: &Node, file: &Path) -> Result<String, ConfigError> {
    let Some(name) = optional::<String>(source, root, "name")? else {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(stem.chars().filter(|c| !c.is_control()).collect());
    };
    let wrong = if name.trim().is_empty() || name == "." || name == ".." {
        Some("is no name of a folder")
    } else if name.contains(['/', '\\']) {
        Some("must not lead to another folder")
    } else if name.chars().any(char::is_control) {
        Some("must not hold control characters")
    } else if name.len() > LONGEST_NAME {
        Some("is too long")
    } else {
        None
    };
    let Some(wrong) = wrong else { return Ok(name) };
    let shown: String = name.chars().take(40).collect();
    let help = "new runs get a folder of this name below `run.folder`, which says where";
    let place = root.get("name").and_then(Node::value_span);
    Err(source.error(place, format!("name {shown:?} {wrong}"), Some(help.to_owned())))
}

/// Refuses what no profile can change, in each profile of the file.
fn check_profiles(source: &Source, root: &Node) -> Result<(), ConfigError> {
    let Some(profiles) = root.get("profiles") else { return Ok(()) };
    profiles.expect_table(source, "profiles")?;
    let keys: Vec<&str> = KEYS.iter().copied().filter(|key| !["extends", "profiles"].contains(key)).collect();
    for (name, profile) in profiles.entries() {
        let at = join("profiles", name);
        profile.expect_keys(source, &at, &keys)?;
        for (key, node) in TABLES.iter().filter_map(|key| Some((*key, profile.get(key)?))) {
            node.expect_table(source, &join(&at, key))?;
        }
    }
    Ok(())
}

/// The document with a caller's changes.
fn changed(source: &Source, mut root: Node, changes: &Changes) -> Result<Node, ConfigError> {
    if let Some(profile) = &changes.profile {
        let profiles = root.get("profiles").cloned().unwrap_or_default();
        let known: Vec<&str> = profiles.entries().map(|(name, _)| name).collect();
        let over = profiles.get(profile).ok_or_else(|| {
            let problem = format!("the file has no [profiles.{profile}]");
            source.error(root.get("profiles").and_then(Node::value_span), problem, suggest::help("", "profile", &known))
        })?;
        root.overlay(over);
    }
    for (i, (path, value)) in changes.values.iter().enumerate() {
        if changes.values[..i].iter().any(|(other, before)| other == path && before != value) {
            return Err(source.error(None, format!("{path} is given two values"), Some("give one".to_owned())));
        }
        if path.split('.').next() == Some("extends") {
            return Err(source.error(None, "extends cannot be set: only the file itself says what it extends", None));
        }
        if let Some(place) = root.barred(path) {
            let found = root.find(&place).0;
            let problem = format!("{path} cannot be set: {place} is {}, not a table", found.type_name());
            return Err(source.error(found.value_span(), problem, None));
        }
        root.set(path, Node::given(value));
    }
    if let Some(limit) = changes.limit {
        let names: Vec<String> =
            root.get("data").into_iter().flat_map(Node::entries).map(|(name, _)| name.to_owned()).collect();
        for name in names {
            root.set(&format!("data.{name}.limit"), Node::given(&limit.into()));
        }
    }
    Ok(root)
}

fn optional<T: serde::de::DeserializeOwned>(source: &Source, root: &Node, key: &str) -> Result<Option<T>, ConfigError> {
    root.get(key).map(|node| node.read(source, key)).transpose()
}

fn tables<T>(
    source: &Source,
    root: &Node,
    role: &str,
    read: impl Fn(&Source, &str, &Node) -> Result<T, ConfigError>,
) -> Result<BTreeMap<String, T>, ConfigError> {
    let Some(all) = root.get(role).filter(|all| all.is_table() && all.entries().next().is_some()) else {
        let help = format!("add a [{}] table", join(role, "NAME"));
        return Err(source.error(
            root.get(role).and_then(Node::value_span),
            format!("the file has no {role}"),
            Some(help),
        ));
    };
    let read = |(name, node): (&str, &Node)| {
        // Places in the file are dotted paths.
        if name.is_empty() || name.contains(|c: char| c == '.' || c.is_control()) {
            let problem =
                format!("{name:?} cannot name one of the {role}: a name has letters, and no dots or controls");
            return Err(source.error(node.key_span(), problem, None));
        }
        Ok((name.to_owned(), read(source, name, node)?))
    };
    all.entries().map(read).collect()
}

/// The `[masks.NAME]` tables, if any.
fn masks(
    source: &Source,
    root: &Node,
    data: &BTreeMap<String, DataTable>,
) -> Result<BTreeMap<String, MaskTable>, ConfigError> {
    let names: Vec<&str> = data.keys().map(String::as_str).collect();
    match root.get("masks") {
        Some(_) => tables(source, root, "masks", |source, name, node| MaskTable::read(source, name, node, &names)),
        None => Ok(BTreeMap::new()),
    }
}

fn components(source: &Source, root: &Node, role: &str) -> Result<BTreeMap<String, ComponentTable>, ConfigError> {
    tables(source, root, role, |source, name, node| ComponentTable::read(source, role, name, node))
}

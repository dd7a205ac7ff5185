//! Rows of a table: what each one combines, and the matrix that lists span.

use std::collections::BTreeMap;
use std::path::Path;

use fmr_core::SettingError;
use fmr_core::perturb::SearchSettings;
use fmr_core::verdict::VerdictSettings;
use serde::Serialize;

use super::error::{ConfigError, Source};
use super::masks::NO_MASK;
use super::node::{Node, join};
use super::paper::{PaperFigures, PaperTable};
use super::suggest;
use super::tables::ComponentTable;
use super::world::World;

/// One row of the table: one target on one data set under one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Unique name, e.g. `mnist/lenet`.
    pub id: String,
    /// Label of what the row's model is; the target's unless the row has one.
    pub label: String,
    /// Name of the `[data.NAME]` table.
    pub data: String,
    /// Name of the `[targets.NAME]` table.
    pub target: String,
    /// Name of the `[generators.NAME]` table.
    pub generator: String,
    /// Name of the `[oracles.NAME]` table.
    pub oracle: String,
    /// Name of the `[masks.NAME]` table; absent: every latent value may move.
    pub mask: Option<String>,
    /// What is maximised.
    pub scorer: ComponentTable,
    /// Settings of the search.
    pub search: SearchSettings,
    /// When the oracle lets an image stand.
    pub verdict: VerdictSettings,
    /// Whose models the row is of, where that is not the report's `world`.
    pub world: Option<World>,
    /// The paper's figures.
    pub paper: Option<PaperFigures>,
    /// Targets that are shown the row's originals and final images beside its own, which the images are made for.
    pub also: Vec<Also>,
    /// Path of the row in the file, e.g. `rows[3]`.
    pub at: String,
}

/// A target that is shown the images of a row of a different target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Also {
    /// Name of the `[targets.NAME]` table.
    pub target: String,
    /// The paper's figures of it on these images.
    pub paper: PaperFigures,
}

/// What all rows start from.
pub(super) struct Common<'a> {
    pub(super) source: &'a Source,
    /// Targets that the images of every row are shown to.
    pub(super) also: &'a [String],
    pub(super) base: &'a Path,
    /// Names and labels of the tables, by role.
    pub(super) tables: BTreeMap<&'static str, BTreeMap<&'a str, &'a str>>,
    pub(super) search: Node,
    pub(super) verdict: Node,
    pub(super) scorer: Node,
}

const ROLES: [&str; 4] = ["data", "target", "generator", "oracle"];
const KEYS: [&str; 14] = [
    "id",
    "data",
    "target",
    "generator",
    "oracle",
    "mask",
    "label",
    "search",
    "verdict",
    "scorer",
    "vary",
    "world",
    "paper",
    "also",
];

impl Common<'_> {
    /// The rows of one `[[rows]]` table: one for each combination of what its lists name. Beside each its long name,
    /// which tells it from rows that have the same data and target.
    pub(super) fn expand(&self, index: usize, node: &Node) -> Result<Vec<(Row, String)>, ConfigError> {
        let at = format!("rows[{index}]");
        node.expect_keys(self.source, &at, &KEYS)?;
        let mut combinations = vec![Chosen::default()];
        for role in ROLES {
            let names = self.names(&at, node, role)?;
            combinations = cross(&combinations, &names, |chosen, name| {
                chosen.names.insert(role, name.clone());
            });
        }
        if node.get("mask").is_some() {
            let names = self.names(&at, node, "mask")?;
            combinations = cross(&combinations, &names, |chosen, name| {
                chosen.mask = Some(name.clone()).filter(|name| name != NO_MASK);
            });
        }
        if let Some(vary) = node.get("vary") {
            vary.expect_table(self.source, &join(&at, "vary"))?;
            for (key, values) in vary.entries() {
                let values: Vec<Node> = values.items().to_vec();
                if values.is_empty() {
                    let problem = format!("{} is an empty array", join(&join(&at, "vary"), key));
                    let help = "name the values that the rows differ in".to_owned();
                    return Err(self.source.error(node.value_span(), problem, Some(help)));
                }
                combinations = cross(&combinations, &values, |chosen, value| {
                    chosen.varied.push((key.to_owned(), value.clone()));
                });
            }
        }
        combinations.iter().map(|chosen| self.row(&at, node, chosen)).collect()
    }

    /// The names that a row gives for a role, or the only one there is.
    fn names(&self, at: &str, node: &Node, role: &'static str) -> Result<Vec<String>, ConfigError> {
        let known: Vec<&str> = self.tables[role].keys().copied().collect();
        let Some(given) = node.get(role) else {
            return match known[..] {
                [only] => Ok(vec![only.to_owned()]),
                _ => {
                    let problem = format!("[[rows]] ({at}) lacks the key `{role}`");
                    Err(self.source.error(node.value_span(), problem, suggest::help("", role, &known)))
                }
            };
        };
        let mut names = Vec::new();
        for item in given.items() {
            let key = join(at, role);
            let name: String = item.read(self.source, &key)?;
            if !known.contains(&name.as_str()) && (role, name.as_str()) != ("mask", NO_MASK) {
                let problem = format!("{key} is {name:?}, and there is no [{}.{name}]", plural(role));
                return Err(self.source.error(item.value_span(), problem, suggest::help(&name, role, &known)));
            }
            names.push(name);
        }
        if names.is_empty() {
            let problem = format!("{} is an empty array", join(at, role));
            return Err(self.source.error(given.value_span(), problem, suggest::help("", role, &known)));
        }
        Ok(names)
    }

    fn row(&self, at: &str, node: &Node, chosen: &Chosen) -> Result<(Row, String), ConfigError> {
        let mut settings = Node::default();
        for (key, base) in [("search", &self.search), ("verdict", &self.verdict), ("scorer", &self.scorer)] {
            settings.set(key, base.clone());
            if let Some(over) = node.get(key) {
                over.expect_table(self.source, &join(at, key))?;
                // A scorer's settings belong to its kind or plugin: a different one starts anew.
                let anew = key == "scorer" && (over.get("kind").is_some() || over.get("plugin").is_some());
                if anew {
                    settings.set(key, over.clone());
                } else {
                    let mut merged = base.clone();
                    merged.overlay(over);
                    settings.set(key, merged);
                }
            }
        }
        for (key, value) in &chosen.varied {
            let head = key.split('.').next().unwrap_or_default();
            if !["search", "verdict", "scorer"].contains(&head) || !key.contains('.') {
                let problem = format!("{} cannot vary", join(&join(at, "vary"), key));
                let help = "what varies is a dotted key of search, verdict or scorer, e.g. \"search.step-size\"";
                return Err(self.source.error(value.value_span(), problem, Some(help.to_owned())));
            }
            settings.set(key, value.clone());
        }
        let part = |key: &str| settings.get(key).cloned().unwrap_or_default();
        let name = |role: &str| chosen.names[role].clone();
        let varied: Vec<String> = chosen.varied.iter().map(|(k, v)| format!("{k} {}", v.to_json())).collect();
        let target = self.tables["target"][name("target").as_str()];
        let label: Option<String> = node.get("label").map(|l| l.read(self.source, &join(at, "label"))).transpose()?;
        // A label that is given for one mask alone says what it is to say.
        let says_all = label.is_some() && node.get("mask").is_none_or(|masks| masks.items().len() == 1);
        let mask = chosen.mask.as_deref().filter(|_| !says_all).map(|name| self.tables["mask"][name].to_owned());
        // Of several generators and oracles a row says which one is its own.
        let one_of_several = |role: &str| {
            let several = node.get(role).is_some_and(|names| names.items().len() > 1);
            several.then(|| self.tables[role][name(role).as_str()].to_owned())
        };
        let label = std::iter::once(label.unwrap_or_else(|| target.to_owned()))
            .chain(["generator", "oracle"].into_iter().filter_map(one_of_several))
            .chain(mask)
            .chain(varied.clone());
        let id = |roles: &[&str]| {
            let parts = roles.iter().map(|role| name(role)).chain(chosen.mask.clone()).chain(varied.clone());
            parts.collect::<Vec<_>>().join("/").replace('"', "")
        };
        let (short, long) = (id(&ROLES[..2]), id(&ROLES));
        let given: Option<String> = node.get("id").map(|n| n.read(self.source, &join(at, "id"))).transpose()?;
        let long = given.clone().unwrap_or(long);
        let row = Row {
            id: given.unwrap_or(short),
            label: label.collect::<Vec<_>>().join(", "),
            data: name("data"),
            target: name("target"),
            generator: name("generator"),
            oracle: name("oracle"),
            mask: chosen.mask.clone(),
            scorer: ComponentTable::read_at(self.source, "scorer", "scorer", &part("scorer"), false)?,
            search: read_search(self.source, &part("search"))?,
            verdict: read_verdict(self.source, &part("verdict"))?,
            world: node.get("world").map(|w| w.read(self.source, &join(at, "world"))).transpose()?,
            paper: self.paper(at, node, chosen)?,
            also: self.also(at, node, chosen)?,
            at: at.to_owned(),
        };
        Ok((row, long))
    }

    /// The targets of a row's `also` and of the experiment's, without the row's own.
    fn also(&self, at: &str, node: &Node, chosen: &Chosen) -> Result<Vec<Also>, ConfigError> {
        let at = join(at, "also");
        let known: Vec<&str> = self.tables["target"].keys().copied().collect();
        let mut also: Vec<Also> = Vec::new();
        let mut names = Vec::new();
        for (i, item) in node.get("also").into_iter().flat_map(Node::items).enumerate() {
            let shown = if item.is_table() { item.clone() } else { Node::default() };
            shown.expect_keys(self.source, &format!("{at}[{i}]"), &["target", "paper"])?;
            let name = if item.is_table() { item.get("target") } else { Some(item) };
            let Some(name) = name else {
                let problem = format!("{at}[{i}] lacks the key `target`");
                return Err(self.source.error(item.value_span(), problem, suggest::help("", "target", &known)));
            };
            let target: String = name.read(self.source, &at)?;
            if !known.contains(&target.as_str()) {
                let problem = format!("{at} names {target:?}, and there is no [targets.{target}]");
                let help = suggest::help(&target, "target", &known);
                return Err(self.source.error(name.value_span(), problem, help));
            }
            names.push((target, shown));
        }
        names.extend(self.also.iter().map(|target| (target.clone(), Node::default())));
        for (target, shown) in names {
            if target != chosen.names["target"] && also.iter().all(|other| other.target != target) {
                let mut seen = chosen.clone();
                seen.names.insert("target", target.clone());
                let paper = self.paper(&at, &shown, &seen)?.unwrap_or_default();
                also.push(Also { target, paper });
            }
        }
        Ok(also)
    }

    fn paper(&self, at: &str, node: &Node, chosen: &Chosen) -> Result<Option<PaperFigures>, ConfigError> {
        let Some(paper) = node.get("paper") else { return Ok(None) };
        if let Some(figures) = paper.get("figures") {
            return figures.read(self.source, &join(at, "paper.figures")).map(Some);
        }
        let table: PaperTable = paper.read(self.source, &join(at, "paper"))?;
        let label = |role: &'static str| (role, self.tables[role][chosen.names[role].as_str()].to_owned());
        let varied = chosen.varied.iter().map(|(key, value)| (key.as_str(), value.to_json().to_string()));
        let figures = table.look_up(self.base, &ROLES.map(label).into_iter().chain(varied).collect());
        let problem = |problem| self.source.error(paper.value_span(), format!("{at}.paper: {problem}"), None);
        figures.map(Some).map_err(problem)
    }
}

/// One combination of what a row's lists name.
#[derive(Debug, Clone, Default)]
struct Chosen {
    names: BTreeMap<&'static str, String>,
    mask: Option<String>,
    varied: Vec<(String, Node)>,
}

fn cross<T>(so_far: &[Chosen], values: &[T], add: impl Fn(&mut Chosen, &T)) -> Vec<Chosen> {
    let with = |chosen: &Chosen, value: &T| {
        let mut chosen = chosen.clone();
        add(&mut chosen, value);
        chosen
    };
    so_far.iter().flat_map(|chosen| values.iter().map(|value| with(chosen, value)).collect::<Vec<_>>()).collect()
}

/// Name of the table of tables of a role.
fn plural(role: &str) -> String {
    if role == "data" { role.to_owned() } else { format!("{role}s") }
}

impl Row {
    /// The row as a table that stands for it alone, with every setting that differs from `common` written out.
    pub(super) fn to_node(&self, common: &Node) -> Node {
        let mut node = Node::default();
        let names = [("id", &self.id), ("label", &self.label), ("data", &self.data), ("target", &self.target)];
        for (key, name) in names.into_iter().chain([("generator", &self.generator), ("oracle", &self.oracle)]) {
            node.set(key, Node::given(&name.as_str().into()));
        }
        if let Some(mask) = &self.mask {
            node.set("mask", Node::given(&mask.as_str().into()));
        }
        if let Some(world) = &self.world {
            node.set("world", given(world));
        }
        if let Some(paper) = &self.paper {
            node.set("paper.figures", given(paper));
        }
        if !self.also.is_empty() {
            let shown = |also: &Also| {
                let mut node = Node::default();
                node.set("target", Node::given(&also.target.as_str().into()));
                if also.paper != PaperFigures::default() {
                    node.set("paper.figures", given(&also.paper));
                }
                node
            };
            node.set("also", Node::list(self.also.iter().map(shown).collect()));
        }
        let mut scorer = Node::given(&serde_json::Value::Object(self.scorer.settings.0.clone()));
        scorer.set("kind", Node::given(&self.scorer.kind.as_str().into()));
        let settings = [("search", given(&self.search)), ("verdict", given(&self.verdict)), ("scorer", scorer)];
        for (key, mut own) in settings {
            if key == "search" && self.search.updates_allowed() == 0 {
                own.set("allow-zero-budget", Node::given(&true.into()));
            }
            if common.get(key) != Some(&own) {
                node.set(key, own);
            }
        }
        node
    }
}

/// Settings as a node.
pub(super) fn given(settings: &impl Serialize) -> Node {
    // Settings are plain tables of texts and numbers, which JSON can always hold.
    Node::given(&serde_json::to_value(settings).unwrap_or_default())
}

fn read_search(source: &Source, node: &Node) -> Result<SearchSettings, ConfigError> {
    let mut node = node.clone();
    let allowed = node.take("allow-zero-budget");
    let allowed: Option<bool> = allowed.map(|n| n.read(source, "search.allow-zero-budget")).transpose()?;
    let search: SearchSettings = node.read(source, "search")?;
    let refuse = |e: SettingError| checked(source, &node, "search", &e);
    search.check().map_err(refuse)?;
    if search.updates_allowed() == 0 && allowed != Some(true) {
        let problem = match search.budget {
            0 => "is 0, must be at least 1 (the paper's is 50): without an update nothing is perturbed",
            _ => "is 1 with search.budget-counts = \"generations\", which leaves no update; must be at least 2",
        };
        let mut error = refuse(SettingError::new("search.budget", problem));
        error.help = Some("search.allow-zero-budget = true evaluates bare reconstructions".to_owned());
        return Err(error);
    }
    Ok(search)
}

fn read_verdict(source: &Source, node: &Node) -> Result<VerdictSettings, ConfigError> {
    let verdict: VerdictSettings = node.read(source, "verdict")?;
    verdict.check().map_err(|e| checked(source, node, "verdict", &e))?;
    Ok(verdict)
}

/// The error of a check, whose keys start with the table's name.
pub(super) fn checked(source: &Source, node: &Node, table: &str, error: &SettingError) -> ConfigError {
    let key = error.key.strip_prefix(table).map_or(error.key.as_str(), |k| k.trim_start_matches('.'));
    node.setting_error(source, table, &SettingError { key: key.to_owned(), problem: error.problem.clone() })
}

//! Finding cases and reading their files.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a case checks, found out from what its files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Traces of Algorithm 1 in a toy world.
    Algorithm1,
    /// Counts to figures and intervals.
    Counts,
    /// Image by image to figures.
    Samples,
    /// Two models on the same images.
    Paired,
    /// Rank agreement and stability.
    Ranking,
    /// Planning, and Wilson intervals.
    SampleSize,
    /// Whole numbers behind printed percentages.
    PaperTable,
    /// Appendix A.
    Pooling,
}

/// A folder of golden cases.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    /// Whether finding nothing is a failure.
    pub(crate) required: bool,
}

impl Root {
    /// The folder that `FMR_GOLDEN` names (a relative one below the workspace), or the one beside the workspace.
    pub(crate) fn shared() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        match std::env::var_os("FMR_GOLDEN") {
            Some(path) => Self { path: workspace.join(path), required: true },
            None => Self { path: workspace.join("../shared/golden"), required: false },
        }
    }

    /// The excerpt in the repository.
    pub(crate) fn excerpt() -> Self {
        Self { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"), required: true }
    }

    /// All cases below `metrics`, in order of their paths; `None` where there is no such folder and none is needed.
    pub(crate) fn cases(&self) -> Option<Vec<Case>> {
        let dir = self.path.join("metrics");
        if !dir.is_dir() {
            assert!(!self.required, "{} is no folder", dir.display());
            return None;
        }
        let (mut open, mut cases) = (vec![dir], Vec::new());
        while let Some(dir) = open.pop() {
            if dir.join("case.toml").is_file() {
                cases.push(Case { dir: dir.clone() });
            }
            open.extend(std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
        }
        cases.sort_by(|a, b| a.dir.cmp(&b.dir));
        Some(cases)
    }
}

/// One folder with a `case.toml`.
pub(crate) struct Case {
    pub(crate) dir: PathBuf,
}

impl Case {
    pub(crate) fn name(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.dir.join(file).is_file()
    }

    fn text(&self, file: &str) -> String {
        let path = self.dir.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap_or_else(|e| panic!("{}: {file}: {e}", self.dir.display()))
    }

    /// Rows of a tab-separated file whose first line names the columns, all values whole numbers.
    pub(crate) fn table(&self, file: &str) -> Table {
        let text = self.text(file);
        let mut lines = text.lines();
        let columns = lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
        let row = |line: &str| line.split('\t').map(|v| v.trim().parse().unwrap()).collect();
        Table { columns, rows: lines.map(row).collect() }
    }

    /// Lines of numbers separated by blanks.
    pub(crate) fn resamples(&self, file: &str) -> Vec<Vec<usize>> {
        let line = |line: &str| line.split_whitespace().map(|v| v.parse().unwrap()).collect();
        self.text(file).lines().map(line).collect()
    }

    /// Names of its files that end in `suffix`, without it, in order.
    pub(crate) fn stems(&self, suffix: &str) -> Vec<String> {
        let names =
            std::fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        let mut stems: Vec<String> = names.filter_map(|n| n.strip_suffix(suffix).map(str::to_owned)).collect();
        stems.sort();
        stems
    }

    pub(crate) fn description(&self) -> toml::Table {
        self.text("case.toml").parse().unwrap_or_else(|e| panic!("{}: case.toml: {e}", self.dir.display()))
    }

    /// Relative and absolute tolerance.
    pub(crate) fn tolerance(&self) -> (f64, f64) {
        let description = self.description();
        let of = |key: &str| description.get("tolerance").and_then(|t| t.get(key)).and_then(toml::Value::as_float);
        (of("rtol").unwrap_or(1e-9), of("atol").unwrap_or(1e-12))
    }

    /// What it checks; `None` where its files are of no known layout.
    pub(crate) fn kind(&self) -> Option<Kind> {
        if self.description().contains_key("traces") && self.has("world.json") {
            return Some(Kind::Algorithm1);
        }
        if self.has("expected.json") {
            let expected = self.json("expected.json");
            let any = |key: &str| expected.as_object().is_some_and(|o| o.values().any(|v| v.get(key).is_some()));
            return match () {
                () if expected.get("kendall").is_some() || expected.get("stability").is_some() => Some(Kind::Ranking),
                () if expected.get("mcnemar").is_some() || any("difference_se") => Some(Kind::Paired),
                () if any("overall") => Some(Kind::Samples),
                () => None,
            };
        }
        if self.has("cases.json") {
            let cases = self.json("cases.json");
            return match () {
                () if cases.pointer("/cases/0/input").is_some() => Some(Kind::Counts),
                () if cases.get("fmr").is_some() || cases.get("wilson").is_some() => Some(Kind::SampleSize),
                () if cases.pointer("/0/from_counts").is_some() => Some(Kind::PaperTable),
                () if cases.pointer("/0/kappa").is_some() => Some(Kind::Pooling),
                () => None,
            };
        }
        None
    }
}

/// A table of whole numbers.
pub(crate) struct Table {
    columns: Vec<String>,
    pub(crate) rows: Vec<Vec<usize>>,
}

impl Table {
    /// Position of a column.
    pub(crate) fn column(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|c| c == name)
            .unwrap_or_else(|| panic!("no column {name:?} in {:?}", self.columns))
    }
}

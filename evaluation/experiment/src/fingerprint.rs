//! What the results of a row depend on, by name, so that a resumed run can refuse to mix two kinds of results.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use fmr_data::Dataset;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::experiment::Experiment;
use super::node::join;
use super::rows::Row;
use super::tables::ComponentTable;

/// Makes fingerprints; remembers the hashes of files, which rows share.
#[derive(Debug, Default)]
pub struct Fingerprints {
    known: HashMap<PathBuf, String>,
}

impl Fingerprints {
    /// Everything that the results of a row depend on. A file counts by its contents, wherever it lies.
    ///
    /// `metrics`, `report` and the sizes of batches are left out: they change nothing of what happens to a sample.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_row(
        &mut self,
        experiment: &Experiment,
        row: &Row,
        data: &Dataset,
    ) -> io::Result<BTreeMap<String, String>> {
        let mut fields = BTreeMap::new();
        let settings = |value: serde_json::Result<Value>| value.unwrap_or_default();
        flatten("search", &settings(serde_json::to_value(&row.search)), &mut fields);
        flatten("verdict", &settings(serde_json::to_value(&row.verdict)), &mut fields);
        let components = [
            ("target", &experiment.targets[&row.target]),
            ("generator", &experiment.generators[&row.generator]),
            ("oracle", &experiment.oracles[&row.oracle]),
            ("scorer", &row.scorer),
        ];
        for (role, table) in components {
            self.component(role, table, &experiment.base, &mut fields)?;
        }
        let table = &experiment.data[&row.data];
        fields.insert("data".to_owned(), format!("sha256:{}", data.digest()));
        flatten("data.resolution", &settings(serde_json::to_value(table.resolution)), &mut fields);
        flatten("data.resize", &settings(serde_json::to_value(table.resize)), &mut fields);
        let templates = table.templates.as_ref().or(experiment.oracles[&row.oracle].templates.as_ref());
        flatten("templates", &settings(serde_json::to_value(templates)), &mut fields);
        fields.insert("run.seed".to_owned(), experiment.run.seed.to_string());
        fields.insert("run.device".to_owned(), experiment.run.device.clone());
        Ok(fields)
    }

    fn component(
        &mut self,
        role: &str,
        table: &ComponentTable,
        base: &Path,
        fields: &mut BTreeMap<String, String>,
    ) -> io::Result<()> {
        fields.insert(join(role, "kind"), table.kind.clone());
        flatten(role, &Value::Object(table.settings.0.clone()), fields);
        for (key, path) in table.files(base) {
            if path.is_file() {
                fields.insert(join(role, &key), self.file(&path)?);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<String> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        let mut hash = Sha256::new();
        io::copy(&mut fmr_data::open_regular(path).map_err(named)?, &mut hash).map_err(named)?;
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{digest}");
        self.known.insert(path.to_owned(), digest.clone());
        Ok(digest)
    }
}

/// One field a leaf, by dotted name.
pub(super) fn flatten(name: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(&join(name, key), value, fields);
            }
        }
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                flatten(&format!("{name}[{i}]"), value, fields);
            }
        }
        Value::String(text) => {
            fields.insert(name.to_owned(), text.clone());
        }
        Value::Null => {}
        other => {
            fields.insert(name.to_owned(), other.to_string());
        }
    }
}

//! What the results of a row depend on, by name, so that a resumed run can refuse to mix two kinds of results.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use fmr_core::ENGINE_REVISION;
use fmr_core::registry::{NamedFile, Role, Sources};
use fmr_core::setting::join;
use fmr_data::Dataset;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::experiment::Experiment;
use super::rows::Row;
use super::tables::ComponentTable;

/// The files of one component.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComponentFiles {
    /// Those that its settings name.
    pub named: Vec<NamedFile>,
    /// What it was made of: also the files that it found beside those.
    pub sources: Sources,
}

/// Makes fingerprints; remembers the hashes of files, which rows share.
#[derive(Debug, Default)]
pub struct Fingerprints {
    known: HashMap<PathBuf, String>,
}

impl Fingerprints {
    /// Everything that the results of a row depend on: the engine, the settings, the data, and every file that a
    /// component read, by its contents, wherever it lies. `files` are those of each component.
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
        files: &BTreeMap<Role, ComponentFiles>,
    ) -> io::Result<BTreeMap<String, String>> {
        let mut fields = BTreeMap::from([("engine".to_owned(), ENGINE_REVISION.to_string())]);
        let settings = |value: serde_json::Result<Value>| value.unwrap_or_default();
        flatten("search", &settings(serde_json::to_value(&row.search)), &mut fields);
        flatten("verdict", &settings(serde_json::to_value(&row.verdict)), &mut fields);
        for (role, table) in experiment.components(row) {
            self.component(role.name(), table, files.get(&role).unwrap_or(&ComponentFiles::default()), &mut fields)?;
        }
        let table = &experiment.data[&row.data];
        fields.insert("data".to_owned(), format!("sha256:{}", data.digest()));
        flatten("data.resolution", &settings(serde_json::to_value(table.resolution)), &mut fields);
        flatten("data.resize", &settings(serde_json::to_value(table.resize)), &mut fields);
        let templates = table.templates.as_ref().or(experiment.oracles[&row.oracle].templates.as_ref());
        flatten("templates", &settings(serde_json::to_value(templates)), &mut fields);
        fields.insert("run.seed".to_owned(), experiment.run.seed.to_string());
        fields.insert("run.device".to_owned(), experiment.run.device.clone());
        let filtering = settings(serde_json::to_value(experiment.run.minimal_filtering));
        flatten("run.minimal-filtering", &filtering, &mut fields);
        Ok(fields)
    }

    fn component(
        &mut self,
        role: &str,
        table: &ComponentTable,
        files: &ComponentFiles,
        fields: &mut BTreeMap<String, String>,
    ) -> io::Result<()> {
        fields.insert(join(role, "kind"), table.kind.clone());
        flatten(role, &Value::Object(table.settings.0.clone()), fields);
        self.learn(&files.sources);
        let one = files.sources.plugins.len() == 1;
        for (library, sha256) in &files.sources.plugins {
            let digest = format!("sha256:{sha256}");
            let field = if one { "plugin".to_owned() } else { format!("{}.plugin", file_name(library)) };
            fields.insert(join(role, &field), digest);
        }
        let named: Vec<(&str, PathBuf)> = files.named.iter().map(|f| (f.key.as_str(), canonical(&f.path))).collect();
        for (key, path) in named.iter().filter(|(_, path)| path.is_file()) {
            fields.insert(join(role, key), self.file(path)?);
        }
        let mut folders: BTreeMap<&str, Sha256> = BTreeMap::new();
        for path in files.sources.files.iter().map(|path| canonical(path)) {
            if named.iter().any(|(_, file)| *file == path) {
                continue;
            }
            let digest = self.file(&path)?;
            let folder = named.iter().find_map(|(key, folder)| Some((*key, path.strip_prefix(folder).ok()?)));
            let field = match folder {
                Some((key, inside)) => {
                    let inside = inside.to_string_lossy().into_owned();
                    let hash = folders.remove(key).unwrap_or_default();
                    folders.insert(key, hash.chain_update(format!("{inside}\n{digest}\n")));
                    format!("{key}/{inside}")
                }
                None => format!("file:{}", file_name(&path)),
            };
            let mut field = join(role, &field);
            // Files of one name in several folders.
            if fields.get(&field).is_some_and(|other| *other != digest) {
                let folder = path.parent().map(file_name).unwrap_or_default();
                field = join(role, &format!("file:{folder}/{}", file_name(&path)));
            }
            fields.insert(field, digest);
        }
        // A folder counts by the files that were read in it.
        for (key, hash) in folders {
            fields.insert(join(role, key), sha256(hash));
        }
        Ok(())
    }

    /// Takes over the hashes that components took themselves.
    fn learn(&mut self, sources: &Sources) {
        let hashed = sources.digests.iter().chain(sources.plugins.iter().map(|(library, sha256)| (library, sha256)));
        for (file, sha256) in hashed {
            self.known.insert(canonical(file), format!("sha256:{sha256}"));
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<String> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        let mut hash = Sha256::new();
        io::copy(&mut fmr_data::open_regular(path).map_err(named)?, &mut hash).map_err(named)?;
        let digest = sha256(hash);
        self.known.insert(path.to_owned(), digest.clone());
        Ok(digest)
    }
}

fn sha256(hash: Sha256) -> String {
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}

/// One name a file, however it is written, so that it is read once and recognised.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fmr_core::registry::MakeContext;

    use super::*;

    #[test]
    fn a_file_that_was_hashed_on_the_way_is_not_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let [hashed, other] = ["hashed", "other"].map(|name| folder.path().join(name));
        for file in [&hashed, &other] {
            std::fs::write(file, "abc").unwrap();
        }
        let context = MakeContext::alone([3, 4, 5]);
        // Not its hash, which would be that of the other.
        context.note_hashed_file(&hashed, "12");
        context.note_file(&other);
        let (sources, mut fingerprints) = (context.sources(), Fingerprints::default());
        assert_eq!(sources.files, [hashed.clone(), other.clone()]);
        fingerprints.learn(&sources);
        assert_eq!(fingerprints.file(&canonical(&hashed)).unwrap(), "sha256:12");
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprints.file(&canonical(&other)).unwrap(), abc);
    }
}

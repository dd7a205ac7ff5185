//! What is compared.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Values and hashes by name.
pub(crate) type Results = BTreeMap<String, String>;

/// The first few things that two pieces of work differ in.
pub(crate) fn difference(wanted: &Results, found: &Results) -> Option<String> {
    let names: std::collections::BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differing: Vec<&String> = names.into_iter().filter(|name| wanted.get(*name) != found.get(*name)).collect();
    let first = *differing.first()?;
    let texts = [found, wanted].map(|results| results.get(first).map_or("absent", String::as_str));
    // From a little before the place where they part.
    let same = texts[0].chars().zip(texts[1].chars()).take_while(|(a, b)| a == b).count().saturating_sub(40);
    let [ours, theirs] = texts.map(|text| text.chars().skip(same).take(300).collect::<String>());
    Some(format!("{} results differ, first {first}: … {ours} instead of … {theirs}", differing.len()))
}

/// The content of bytes.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a hash of every file below a folder whose path has `wanted`.
pub(crate) fn add_files(results: &mut Results, folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.is_dir() {
                open.push(path);
            } else if wanted(&path) {
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                results.insert(name, hash(&std::fs::read(&path).map_err(told)?));
            }
        }
    }
    Ok(())
}

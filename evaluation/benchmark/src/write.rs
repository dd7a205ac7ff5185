//! Writing a benchmark: beside its place, which it takes when it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fmr_files::Names;

use crate::{
    BenchmarkError, CARD, CHECKSUMS, CROISSANT, Card, IMAGES, MANIFEST, ORIGINALS, README, Sample, class_folders,
    croissant, sha256,
};

/// Writes one benchmark. The folder is there when [`Writer::finish`] returns, and not before.
#[derive(Debug)]
pub struct Writer {
    place: PathBuf,
    partial: PathBuf,
    folders: Vec<String>,
    names: Vec<Names>,
    samples: Vec<Sample>,
    checksums: BTreeMap<String, String>,
}

impl Writer {
    /// Begins a benchmark of images of these classes in a folder that does not exist yet.
    ///
    /// # Errors
    /// The folder exists, or cannot be made.
    pub fn create(place: &Path, classes: &[String]) -> Result<Self, BenchmarkError> {
        if place.exists() {
            return Err(BenchmarkError::Exists { path: place.to_owned() });
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let partial = place.with_file_name(format!(".{name}.partial"));
        if partial.exists() {
            // One that was killed.
            fs::remove_dir_all(&partial).map_err(BenchmarkError::io(&partial, "remove what a killed export left"))?;
        }
        let folders = class_folders(classes);
        for kind in [IMAGES, ORIGINALS] {
            for folder in &folders {
                // An empty class has a folder too: without it all later classes would get wrong labels.
                let folder = partial.join(kind).join(folder);
                fs::create_dir_all(&folder).map_err(BenchmarkError::io(&folder, "make the folder"))?;
            }
        }
        let (place, names) = (place.to_owned(), vec![Names::default(); folders.len()]);
        Ok(Self { place, partial, folders, names, samples: Vec::new(), checksums: BTreeMap::new() })
    }

    /// Folders of the classes, by label.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// Adds a sample with the PNG files of its perturbed image and its original. `file` and `original` of the sample are
    /// set here.
    ///
    /// # Errors
    /// The label has no class, or a file cannot be written.
    pub fn add(&mut self, mut sample: Sample, perturbed: &[u8], original: &[u8]) -> Result<(), BenchmarkError> {
        let (Some(folder), Some(names)) = (self.folders.get(sample.label), self.names.get_mut(sample.label)) else {
            let problem = format!("{} has the label {}, which no class has", sample.key, sample.label);
            return Err(BenchmarkError::format(&self.place, problem));
        };
        let name = names.unique(&stem(&sample.key).replace('/', "-"));
        let below = |kind: &str| format!("{kind}/{folder}/{name}.png");
        (sample.file, sample.original) = (below(IMAGES), below(ORIGINALS));
        self.put(&sample.file, perturbed)?;
        self.put(&sample.original, original)?;
        self.samples.push(sample);
        Ok(())
    }

    /// Writes the card, the readme that `readme` makes of it, the manifest and the checksums, and puts the benchmark in its
    /// place.
    ///
    /// # Errors
    /// A file cannot be written, or the folder came into being meanwhile.
    pub fn finish(mut self, card: &Card, readme: &str) -> Result<PathBuf, BenchmarkError> {
        let manifest = self.manifest()?;
        let metadata = croissant::metadata(card, &sha256(&manifest));
        self.put(MANIFEST, &manifest)?;
        self.put(README, readme.as_bytes())?;
        for (name, content) in [(CARD, serde_json::to_string_pretty(card)), (CROISSANT, Ok(metadata))] {
            let content = content.map_err(|e| BenchmarkError::format(&self.place.join(name), e.to_string()))?;
            self.put(name, content.as_bytes())?;
        }
        let sums: String = self.checksums.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
        write(&self.partial.join(CHECKSUMS), sums.as_bytes())?;
        if self.place.exists() {
            return Err(BenchmarkError::Exists { path: self.place });
        }
        fs::rename(&self.partial, &self.place).map_err(BenchmarkError::io(&self.place, "put the benchmark there"))?;
        Ok(self.place)
    }

    /// The samples added so far.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn manifest(&self) -> Result<Vec<u8>, BenchmarkError> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let refuse = |problem: String| BenchmarkError::format(&self.place.join(MANIFEST), problem);
        for sample in &self.samples {
            table.serialize(sample).map_err(|e| refuse(e.to_string()))?;
        }
        table.into_inner().map_err(|e| refuse(e.to_string()))
    }

    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), BenchmarkError> {
        write(&self.partial.join(name), content)?;
        self.checksums.insert(name.to_owned(), sha256(content));
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), BenchmarkError> {
    fs::write(path, content).map_err(BenchmarkError::io(path, "write"))
}

/// A key without the ending of a picture's file.
fn stem(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !ending.contains('/') && ending.len() <= 4 => stem,
        _ => key,
    }
}

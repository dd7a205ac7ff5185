//! Reading a benchmark back.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{BenchmarkError, CARD, CHECKSUMS, Card, FORMAT, MANIFEST, Sample, sha256};

/// A benchmark on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    dir: PathBuf,
    card: Card,
    samples: Vec<Sample>,
}

impl Benchmark {
    /// Reads card and manifest.
    ///
    /// # Errors
    /// The folder holds no benchmark, or one of a different format.
    pub fn open(dir: &Path) -> Result<Self, BenchmarkError> {
        let path = dir.join(CARD);
        let text = fs::read_to_string(&path)
            .map_err(BenchmarkError::io(&path, "read the card of a benchmark (`fmr export --benchmark` writes one)"))?;
        let refuse = |problem: String| BenchmarkError::format(&path, problem);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        let format = value.get("format").and_then(|format| format.as_str()).unwrap_or_default();
        if format != FORMAT {
            return Err(refuse(format!("has the format {format:?}; this version reads {FORMAT:?}")));
        }
        let card: Card = serde_json::from_value(value).map_err(|e| refuse(e.to_string()))?;
        let samples = manifest(&dir.join(MANIFEST), &card)?;
        Ok(Self { dir: dir.to_owned(), card, samples })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it says of itself.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Its samples.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// A file of the benchmark, as a sample names it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn file(&self, name: &str) -> Result<Vec<u8>, BenchmarkError> {
        let path = self.dir.join(name);
        fs::read(&path).map_err(BenchmarkError::io(&path, "read"))
    }

    /// Holds every file against its checksum.
    ///
    /// # Errors
    /// A file differs or is missing, a sample's file has no checksum, or the checksums cannot be read.
    pub fn verify(&self) -> Result<(), BenchmarkError> {
        let path = self.dir.join(CHECKSUMS);
        let text = fs::read_to_string(&path).map_err(BenchmarkError::io(&path, "read"))?;
        let mut known = std::collections::BTreeMap::new();
        for line in text.lines() {
            let Some((sum, name)) = line.split_once("  ").filter(|(_, name)| is_inside(name)) else {
                return Err(BenchmarkError::format(&path, format!("has the line {line:?}")));
            };
            known.insert(name, sum);
        }
        let listed = self.samples.iter().flat_map(|sample| [sample.file.as_str(), sample.original.as_str()]);
        let without = listed.chain([CARD, MANIFEST]).filter(|name| !known.contains_key(name));
        let differs =
            |(name, sum): &(&&str, &&str)| fs::read(self.dir.join(name)).map_or(true, |b| sha256(&b) != **sum);
        let changed: Vec<&str> = known.iter().filter(differs).map(|(name, _)| *name).chain(without).collect();
        match changed.first() {
            None => Ok(()),
            Some(first) => Err(BenchmarkError::Changed {
                path: self.dir.clone(),
                count: changed.len(),
                first: (*first).to_owned(),
            }),
        }
    }
}

fn manifest(path: &Path, card: &Card) -> Result<Vec<Sample>, BenchmarkError> {
    let file = fs::File::open(path).map_err(BenchmarkError::io(path, "read"))?;
    let refuse = |problem: String| BenchmarkError::format(path, problem);
    let mut samples = Vec::new();
    for line in csv::Reader::from_reader(file).deserialize() {
        let sample: Sample = line.map_err(|e| refuse(e.to_string()))?;
        if sample.label >= card.classes.len() {
            return Err(refuse(format!("{} has the label {}, which no class has", sample.file, sample.label)));
        }
        if let Some(name) = [&sample.file, &sample.original].into_iter().find(|name| !is_inside(name)) {
            return Err(refuse(format!("{name:?} leads out of the benchmark")));
        }
        samples.push(sample);
    }
    Ok(samples)
}

fn is_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

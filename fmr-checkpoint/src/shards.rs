//! A checkpoint in several files: the index that names them, and the folder that holds them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use crate::error::{CheckpointError, Fault};
use crate::json::{self, Limits, Text, Texts};
use crate::limits::{self, Budget};
use crate::shown;

/// Ends of the names of indices.
const INDICES: &[&str] = &[".safetensors.index.json", ".bin.index.json"];

/// Files of weights that people publish in a folder of their own, the ones to prefer first.
const SINGLES: &[&str] = &[
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
    "open_clip_pytorch_model.bin",
];

/// An index: which file holds which tensor.
#[derive(Debug)]
pub(crate) struct Index {
    /// Names of the files in the order of the alphabet.
    files: Vec<Arc<str>>,
    /// Number of the file by the key of a tensor. Keys that were found in their file are taken out.
    places: HashMap<Arc<str>, usize>,
}

impl Index {
    /// Reads an index; `None` for JSON of another kind.
    pub(crate) fn parse(bytes: &[u8], budget: &Budget) -> Result<Option<Self>, Fault> {
        let exceeded = RefCell::default();
        let limits = Limits::new(budget, &exceeded);
        let Some(entries) = json::object("the index of its shards", bytes, limits, IndexVisitor(limits))? else {
            return Ok(None);
        };
        let mut numbers: BTreeMap<Arc<str>, usize> = entries.iter().map(|(_, file)| (Arc::clone(file), 0)).collect();
        if numbers.len() > limits::SHARDS {
            let problem = format!("its index names {} files, more than {}", numbers.len(), limits::SHARDS);
            return Err(Fault::corrupt(problem));
        }
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let mut places = HashMap::with_capacity(entries.len());
        for (key, file) in entries {
            let number = numbers.get(&file).copied().unwrap_or_default();
            if let Some(earlier) = places.insert(Arc::clone(&key), number)
                && earlier != number
            {
                let problem = format!("its index puts the tensor {} into two files", shown::key(&key));
                return Err(Fault::corrupt(problem));
            }
        }
        Ok(Some(Self { files: numbers.into_keys().collect(), places }))
    }

    /// The files beside the index.
    pub(crate) fn files(&self, index: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
        let folder = index.parent().unwrap_or(Path::new(""));
        let place = |name: &Arc<str>| {
            let inside = Path::new(&**name).components().all(|part| matches!(part, Component::Normal(_)));
            let path = folder.join(&**name);
            let shard = shown::key(name);
            if !inside || name.is_empty() {
                return Err(shards(index, format!("its shard {shard} lies outside of its folder")));
            }
            match fs::metadata(&path) {
                Ok(_) => Ok(path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(shards(index, format!("its shard {shard} is missing; fetch it and put it beside the index")))
                }
                Err(source) => Err(CheckpointError::Io { path, source }),
            }
        };
        self.files.iter().map(place).collect()
    }

    /// Notes that file `number` holds this tensor, or says how that differs from the index.
    pub(crate) fn found(&mut self, key: &str, number: usize) -> Result<(), String> {
        let here = shown::key(self.files.get(number).map_or("", |name| name));
        match self.places.remove(key) {
            Some(place) if place == number => Ok(()),
            Some(place) => Err(format!(
                "its index puts the tensor {} into {}, and {here} holds it",
                shown::key(key),
                shown::key(self.files.get(place).map_or("", |name| name))
            )),
            None => {
                Err(format!("its shard {here} holds the tensor {}, which its index does not name", shown::key(key)))
            }
        }
    }

    /// Says which tensor of the index no file holds.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let Some((key, place)) = self.places.iter().min() else {
            return Ok(());
        };
        let file = shown::key(self.files.get(*place).map_or("", |name| name));
        Err(format!("its index puts the tensor {} into {file}, which does not hold it", shown::key(key)))
    }
}

/// The error of an index or a folder.
pub(crate) fn shards(path: &Path, problem: String) -> CheckpointError {
    CheckpointError::Shards { path: path.to_owned(), problem }
}

/// The checkpoint in a folder: an index, or a file of a usual name.
pub(crate) fn in_folder(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let io = |source| CheckpointError::Io { path: folder.to_owned(), source };
    let mut candidates: Vec<(usize, String)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let Ok(name) = entry.map_err(io)?.file_name().into_string() else {
            continue;
        };
        let single = SINGLES.iter().position(|single| *single == name);
        let index = INDICES.iter().position(|end| name.ends_with(end));
        // PyTorch files usually repeat what safetensors files of the same folder hold.
        let is_torch = index == Some(1) || single.is_some() && name.ends_with(".bin");
        if single.is_some() || index.is_some() {
            candidates.push((usize::from(is_torch), name));
        }
    }
    candidates.sort();
    let preferred = candidates.first().map_or(0, |(rank, _)| *rank);
    let names: Vec<&String> = candidates.iter().filter(|(rank, _)| *rank == preferred).map(|(_, name)| name).collect();
    match names.as_slice() {
        [name] => Ok(folder.join(name)),
        [] => Err(shards(
            folder,
            format!(
                "it is a folder without an index of shards (*{}) and without {}; name a file",
                INDICES.join(", *"),
                SINGLES.join(", ")
            ),
        )),
        several => {
            let shown = shown::first_few(several, 4, |name| shown::key(name).to_string());
            Err(shards(folder, format!("it is a folder that holds several checkpoints ({shown}); name one of them")))
        }
    }
}

struct IndexVisitor<'b>(Limits<'b>);

impl<'de> Visitor<'de> for IndexVisitor<'_> {
    type Value = Option<Vec<(Arc<str>, Arc<str>)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut places = None;
        while let Some(key) = map.next_key_seed(Text::key(self.0))? {
            if &*key != "weight_map" {
                map.next_value::<IgnoredAny>()?;
            } else if places.replace(map.next_value_seed(Texts(self.0))?).is_some() {
                return Err(A::Error::custom("weight_map occurs twice"));
            }
        }
        Ok(places)
    }
}

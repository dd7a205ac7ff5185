//! Experiment files.

use std::io;
use std::path::Path;

use fmr_experiment::{Changes, Experiment};
use rand_chacha::ChaCha8Rng;
use toml::Table;

use crate::bytes::pick;
use crate::{Allowance, Input, Reader, Reading, toml_tree};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments");

/// The project's own experiment files, with changes.
pub(crate) struct Experiments {
    sound: Vec<Table>,
}

impl Experiments {
    pub(crate) fn new() -> io::Result<Self> {
        let mut files: Vec<_> = std::fs::read_dir(FOLDER)?.collect::<Result<_, _>>()?;
        // Inputs are made by numbers, which must not depend on the file system.
        files.sort_by_key(std::fs::DirEntry::file_name);
        let mut sound = Vec::new();
        for file in files.iter().filter(|file| file.path().extension().is_some_and(|ending| ending == "toml")) {
            sound.push(std::fs::read_to_string(file.path())?.parse().map_err(io::Error::other)?);
        }
        Ok(Self { sound })
    }
}

impl Reader for Experiments {
    fn name(&self) -> &'static str {
        "experiment"
    }

    fn allowance(&self) -> Allowance {
        Allowance { memory: 32 << 20, memory_per_byte: 2000, micros: 500_000, micros_per_byte: 20, text: 16 << 10 }
    }

    fn make(&self, random: &mut ChaCha8Rng) -> Input {
        let sound = pick(random, &self.sound);
        Input { kind: "an experiment", bytes: toml_tree::changed(random, sound) }
    }

    /// What is read is written so that it reads again, as the same rows.
    fn read(&self, input: &Input) -> Reading {
        let read = |text: String| {
            Experiment::parse(Path::new("experiment.toml"), text, Path::new(FOLDER), &Changes::default())
        };
        match read(String::from_utf8_lossy(&input.bytes).into_owned()) {
            Ok(experiment) => {
                let ids = |e: &Experiment| e.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
                match read(experiment.resolved()) {
                    Ok(again) => assert_eq!(ids(&again), ids(&experiment), "the resolved file has other rows"),
                    Err(error) => panic!("the resolved file is refused: {error}"),
                }
                Reading { taken: true, text: String::new() }
            }
            Err(error) => Reading { taken: false, text: error.to_string() },
        }
    }
}

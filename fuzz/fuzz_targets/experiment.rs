//! Any text as an experiment file: read or refused, never a panic; what is read is written so that it reads again.
#![no_main]

use std::path::Path;

use fmr_experiment::{Changes, Experiment};
use fmr_fuzz::expect_words;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = Path::new("experiment.toml");
    let read = |text: String| Experiment::parse(file, text, Path::new("."), &Changes::default());
    match read(text.to_owned()) {
        Ok(experiment) => {
            let again = read(experiment.resolved()).expect("a resolved file reads again");
            assert_eq!(again.rows.len(), experiment.rows.len());
        }
        Err(error) => expect_words(&error.to_string()),
    }
});

//! Real weights on real photographs, through a whole run: what each photograph is to the model must be what the original
//! code says, whose answers `targets/zoo/tests/photographs` holds. It reads, resizes and crops with Pillow.
//!
//! The photographs are JPEGs, decoded to the pixels that Pillow gives. The original code ran on different kernels, so that answers
//! are compared where its two largest logits are not all but equal.

use std::path::{Path, PathBuf};

use fmr::experiment::{Changes, Experiment};
use fmr::{Runner, prepare, registry};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Largest difference of the two largest logits that a decoder's rounding may turn.
const NEAR_TIE: f32 = 0.05;

const EXPERIMENT: &str = r#"
name = "photographs"
generators.none = { kind = "transforms" }
oracles.any = { kind = "clip", weights = "assets/weights/clip-small.safetensors" }
search = { budget = 0, allow-zero-budget = true }
verdict = { rule = "probability", tau = 0.0 }
rows = [{ data = "photographs", target = "lite0", generator = "none", oracle = "any" }]

[data.photographs]
kind = "images"
prefix = "imagenet-sample"
class-names = "imagenet"
resolution = 64

[targets.lite0]
kind = "zoo"
model = "efficientnet_lite0_pypi"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file that a variable names, else the one that lies at `beside` the repository's root.
fn file(variable: &str, beside: &str, requirement: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| root().join(beside), PathBuf::from);
    if !path.is_file() {
        fmr_golden::skip(
            requirement,
            format_args!("there is no {} ({variable} names a different file)", path.display()),
        );
        return None;
    }
    path.canonicalize().ok()
}

#[test]
fn golden_photographs_are_to_a_run_what_they_are_to_the_original_code() {
    let weights = file("FMR_LITE0", "weights/efficientnet-lite0-57934424.pth", "weights");
    let tar = file("FMR_IMAGENET_SAMPLE", "../shared/data/imagenet-sample.tar", "golden");
    let (Some(weights), Some(tar)) = (weights, tar) else { return };
    let reference = root().join("targets/zoo/tests/photographs/efficientnet_lite0_pypi.tsv");
    let reference = std::fs::read_to_string(reference).unwrap();
    let digest: String = Sha256::digest(std::fs::read(&tar).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    if !reference.contains(&digest) {
        println!("not run: {} is not the file that the original code saw", tar.display());
        return;
    }
    let changes = Changes {
        values: vec![
            ("data.photographs.path".to_owned(), json!(tar)),
            ("targets.lite0.weights".to_owned(), json!(weights)),
        ],
        ..Changes::default()
    };
    let root = root();
    let experiment = Experiment::parse(&root.join("photographs.toml"), EXPERIMENT.to_owned(), &root, &changes);
    let experiment = experiment.unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare(experiment, &registry()).unwrap_or_else(|e| panic!("{e}"));
    let run = Runner::default().run(&prepared, Some(&folder.path().join("run"))).unwrap();
    let records = run.store.records(&run.store.plan().rows[0].id).unwrap();

    let lines = reference.lines().filter(|line| !line.starts_with('#')).skip(1);
    let answers = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    let answers: Vec<(usize, f32)> = answers.map(|row| (row[1].parse().unwrap(), row[2].parse().unwrap())).collect();
    assert_eq!(records.len(), answers.len());
    let others: Vec<_> =
        records.iter().zip(&answers).filter(|(r, (class, _))| r.clean_prediction != Some(*class)).collect();
    let right = records.iter().filter(|r| r.clean_prediction == Some(r.label)).count();
    println!("{right} of {} right; other answers than the original code's: {}", records.len(), others.len());
    let clear: Vec<&str> =
        others.iter().filter(|(_, (_, lead))| *lead >= NEAR_TIE).map(|(r, _)| r.key.as_str()).collect();
    assert!(clear.is_empty(), "other answers than the original code's, and no near ties: {clear:?}");
}

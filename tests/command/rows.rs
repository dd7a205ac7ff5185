//! The rows of Tables 1, 11 and 12 are those of the present `ENGINE_REVISION`, bit for bit: a change around the engine alters
//! no sample's trajectory and no final image. `tests/fixtures/rows` holds the rows.
//!
//! A change that is meant to alter results raises `ENGINE_REVISION` and makes the fixtures anew:
//! `FMR_WRITE_ROWS=1 cargo test --release -p fmr-tests --test command rows::`.

use std::fmt::Write as _;
use std::path::Path;

use fmr::core::{SampleRecord, StepRecord};
use fmr::experiment::{Changes, Experiment};
use fmr::{Runner, prepare, registry};
use ndarray::Array3;
use sha2::{Digest as _, Sha256};

const COLUMNS: &str = "row\tindex\tkey\tlabel\tclean_prediction\tclean_oracle\treconstruction_prediction\t\
    reconstruction_oracle\treconstruction_accepted\tscore0\tfinal_score\tfinal_prediction\tfinal_oracle\toutcome\t\
    ended_at\taccepted_updates\tfinal_from\tlatent_moved\tsteps\tfinal_image";

/// Bits in hexadecimal.
fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The first half of a digest, in hexadecimal: enough to tell results apart.
fn short(digest: Sha256) -> String {
    digest.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn step(s: &StepRecord) -> String {
    let probability = s.oracle_true.map_or_else(|| "-".to_owned(), |p| format!("{:08x}", p.to_bits()));
    let (oracle, prediction) = (or_dash(s.oracle_class), or_dash(s.prediction));
    let accepted = u8::from(s.accepted);
    format!("{} {} {} {probability} {oracle} {prediction} {accepted}\n", s.t, bits(s.score), bits(s.gradient_norm))
}

fn line(row: &str, r: &SampleRecord, image: &Array3<f32>) -> String {
    let outcome = serde_json::to_value(r.outcome).unwrap();
    let steps = r.steps.iter().fold(Sha256::new(), |digest, s| digest.chain_update(step(s)));
    let image = image.iter().fold(Sha256::new(), |digest, v| digest.chain_update(v.to_le_bytes()));
    [
        row.to_owned(),
        r.index.to_string(),
        r.key.clone(),
        r.label.to_string(),
        or_dash(r.clean_prediction),
        or_dash(r.clean_oracle),
        or_dash(r.reconstruction_prediction),
        or_dash(r.reconstruction_oracle),
        u8::from(r.reconstruction_accepted).to_string(),
        bits(r.score0),
        bits(r.final_score),
        or_dash(r.final_prediction),
        or_dash(r.final_oracle),
        outcome.as_str().unwrap().to_owned(),
        r.ended_at.to_string(),
        r.accepted_updates.to_string(),
        or_dash(r.final_from),
        bits(r.latent_moved),
        short(steps),
        short(image),
    ]
    .join("\t")
}

/// Runs a table in its quick form and holds its rows against the fixture.
fn same_rows(table: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../experiments").join(format!("{table}.toml"));
    let changes = Changes { profile: Some("quick".to_owned()), ..Changes::default() };
    let prepared = prepare(Experiment::read(&file, &changes).unwrap(), &registry()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = Runner::default().run(&prepared, Some(&folder.path().join("run"))).unwrap();
    let mut lines = vec![COLUMNS.to_owned()];
    for row in &run.store.plan().rows {
        for record in run.store.records(&row.id).unwrap() {
            let image = run.store.images(&row.id, record.index).unwrap().final_image;
            lines.push(line(&row.id, &record, &image));
        }
    }
    let fixture = root.join("fixtures/rows").join(format!("{table}.tsv"));
    if std::env::var_os("FMR_WRITE_ROWS").is_some() {
        std::fs::write(&fixture, lines.join("\n") + "\n").unwrap();
    }
    let wanted = std::fs::read_to_string(&fixture).unwrap();
    let wanted: Vec<&str> = wanted.lines().collect();
    assert_eq!(lines.len(), wanted.len(), "{table}: other rows than before");
    for (now, then) in lines.iter().zip(wanted) {
        assert_eq!(now, then, "{table}: a sample is not what it was");
    }
}

#[test]
fn of_table_1_are_what_they_were() {
    same_rows("table1");
}

#[test]
fn of_table_11_are_what_they_were() {
    same_rows("table11");
}

#[test]
fn of_table_12_are_what_they_were() {
    same_rows("table12");
}

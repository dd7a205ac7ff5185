//! What is written is read back, and what was changed is found.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use crate::{Benchmark, BenchmarkError, Card, Class, FORMAT, Licence, Purpose, Recheck, Sample, Writer};

fn sample(key: &str, label: usize) -> Sample {
    Sample {
        file: String::new(),
        original: String::new(),
        index: 0,
        key: key.to_owned(),
        label,
        class: ["dog", "cat"][label].to_owned(),
        produced: true,
        outcome: "budget exhausted".to_owned(),
        accepted_updates: 3,
        original_prediction: Some(label),
        exact_prediction: Some(0),
        prediction: Some(1),
        exact_oracle: None,
        oracle: Some(label),
        oracle_probability: Some(0.5),
        accepted: true,
    }
}

fn written(place: &Path) -> Benchmark {
    let classes = ["dog", "cat"].map(str::to_owned);
    let mut writer = Writer::create(place, &classes).unwrap();
    for (key, label) in [("a/1.png", 0), ("a/1.jpg", 0), ("test/00017", 1)] {
        writer.add(sample(key, label), key.as_bytes(), b"original").unwrap();
    }
    let class = |(name, folder): (&String, &String)| Class { name: name.clone(), folder: folder.clone() };
    let card = Card {
        format: FORMAT.to_owned(),
        name: "pets".to_owned(),
        title: "Pets".to_owned(),
        purpose: Purpose::Evaluation,
        run: "pets".to_owned(),
        row: "pets/net".to_owned(),
        data: "pets".to_owned(),
        target: "net".to_owned(),
        generator: "g".to_owned(),
        oracle: "h".to_owned(),
        world: "Small models.".to_owned(),
        settings: [("search.budget".to_owned(), "3".to_owned())].into(),
        classes: classes.iter().zip(writer.folders()).map(class).collect(),
        image: [3, 2, 2],
        run_images: 4,
        images: writer.samples().len(),
        recheck: Recheck::default(),
        licences: vec![Licence { of: "pets".to_owned(), licence: "CC0".to_owned() }],
        fmr: "0".to_owned(),
    };
    writer.finish(&card, "# Pets\n").unwrap();
    Benchmark::open(place).unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("pets");
    let benchmark = written(&place);
    benchmark.verify().unwrap();
    let files: Vec<&str> = benchmark.samples().iter().map(|sample| sample.file.as_str()).collect();
    assert_eq!(files[0], "images/0-dog/a-1.png");
    assert_eq!(files[2], "images/1-cat/test-00017.png");
    assert_ne!(files[0], files[1], "two keys that differ in their endings have files of their own");
    assert_eq!(benchmark.file(files[1]).unwrap(), b"a/1.jpg");
    assert_eq!(benchmark.card().counts(benchmark.samples()), [2, 1]);
    assert_eq!(
        benchmark.samples()[2],
        Sample {
            file: files[2].to_owned(),
            original: files[2].replace("images", "originals"),
            ..sample("test/00017", 1)
        }
    );
    assert!(matches!(Writer::create(&place, &[]), Err(BenchmarkError::Exists { .. })));
}

#[test]
fn changes_are_found() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("pets");
    let benchmark = written(&place);
    fs::write(place.join(&benchmark.samples()[1].file), "other").unwrap();
    fs::remove_file(place.join(&benchmark.samples()[2].original)).unwrap();
    let error = benchmark.verify().unwrap_err().to_string();
    assert!(error.contains("2 files are not as in SHA256SUMS"), "{error}");
    let manifest = fs::read_to_string(place.join("manifest.csv")).unwrap();
    fs::write(place.join("manifest.csv"), manifest.replace("images/1-cat", "../1-cat")).unwrap();
    assert!(Benchmark::open(&place).unwrap_err().to_string().contains("leads out of the benchmark"));
    let card = fs::read_to_string(place.join("benchmark.json")).unwrap();
    fs::write(place.join("benchmark.json"), card.replace("fmr-benchmark/1", "fmr-benchmark/9")).unwrap();
    assert!(Benchmark::open(&place).unwrap_err().to_string().contains("this version reads"));
}

#[test]
fn the_metadata_names_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("pets");
    written(&place);
    let text = fs::read_to_string(place.join("croissant.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let header = fs::read_to_string(place.join("manifest.csv")).unwrap();
    let columns: Vec<&str> = header.lines().next().unwrap().split(',').collect();
    for field in metadata["recordSet"][0]["field"].as_array().unwrap() {
        let column = field["source"]["extract"]["column"].as_str().unwrap();
        assert!(columns.contains(&column), "{column}");
    }
    let sums = fs::read_to_string(place.join("SHA256SUMS")).unwrap();
    let sum = metadata["distribution"][0]["sha256"].as_str().unwrap();
    assert!(sums.contains(&format!("{sum}  manifest.csv")));
}

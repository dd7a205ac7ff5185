//! Static benchmarks: exported, read as data sets, scored.

use std::fs;

use fmr::benchmark::{Benchmark, Purpose};
use fmr::data::DataSettings;
use fmr::store::RunStore;

use crate::support::{EXPERIMENT, Lab, records};

fn finished(experiment: &str) -> Lab {
    let lab = Lab::new();
    lab.write("lab.toml", experiment);
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    lab
}

#[test]
fn a_benchmark_holds_the_images_that_the_oracle_accepts() {
    let lab = finished(EXPERIMENT);
    let printed = lab.succeed(&["export", "--benchmark", "run", "--licence", "CC BY 4.0"]);
    assert!(printed.ends_with("run/benchmark/digits-lenet\n"), "{printed}");
    let benchmark = Benchmark::open(&lab.path("run/benchmark/digits-lenet")).unwrap();
    benchmark.verify().unwrap();
    let (card, samples) = (benchmark.card(), benchmark.samples());
    let records = records(&lab.path("run")).remove(0).1;
    let perturbed = records.iter().filter(|record| record.accepted_updates > 0).count();
    assert_eq!(card.recheck.produced, perturbed);
    assert_eq!(card.images, perturbed - card.recheck.refused);
    assert!(card.images > 0 && card.images == samples.len(), "{card:?}");
    assert_eq!(card.licences[0].licence, "CC BY 4.0");
    // Files are the run's images, and the manifest has the run's answers.
    let store = RunStore::read(&lab.path("run")).unwrap();
    for sample in samples {
        let [original, _, last] = store.pngs("digits/lenet", sample.index).unwrap();
        assert_eq!(benchmark.file(&sample.file).unwrap(), last);
        assert_eq!(benchmark.file(&sample.original).unwrap(), original);
        let record = &records[sample.index];
        assert_eq!((sample.label, sample.exact_prediction), (record.label, record.final_prediction));
        assert!(sample.produced && sample.accepted);
    }
    // What rounding changed is what the manifest says it changed, as far as files were not left out.
    let changed = samples.iter().filter(|sample| sample.prediction != sample.exact_prediction).count();
    assert!((changed..=changed + card.recheck.refused).contains(&card.recheck.prediction_changed));
    let readme = fs::read_to_string(lab.path("run/benchmark/digits-lenet/README.md")).unwrap();
    assert!(
        readme.contains("ImageFolder(\"images\")") && readme.contains("What rounding to 8 bits changed"),
        "{readme}"
    );
    let again = lab.refuse(&["export", "--benchmark", "run"]);
    assert!(again.contains("exists; remove it"), "{again}");
}

#[test]
fn a_training_set_has_a_pair_for_every_image() {
    let lab = finished(EXPERIMENT);
    lab.succeed(&["export", "--train", "run", "--out", "pairs"]);
    let set = Benchmark::open(&lab.path("pairs/digits-lenet")).unwrap();
    set.verify().unwrap();
    assert_eq!((set.card().purpose, set.samples().len()), (Purpose::Training, 10));
    for sample in set.samples() {
        let same = set.file(&sample.file).unwrap() == set.file(&sample.original).unwrap();
        assert_eq!(same, !sample.produced, "{sample:?}");
    }
    // Both folders are data sets of the same images in the same order.
    let load = |folder: &str| {
        let path = lab.path("pairs/digits-lenet").join(folder);
        let settings = serde_json::json!({ "kind": "images", "path": path });
        let settings: DataSettings = serde_json::from_value(settings).unwrap();
        settings.load().unwrap()
    };
    let (clean, perturbed) = (load("originals"), load("images"));
    assert_eq!(clean.labels(), perturbed.labels());
    assert_eq!(clean.len(), 10);
    assert!((0..10).all(|i| clean.key(i) == perturbed.key(i)));
    let by_file = |key: &str| set.samples().iter().find(|s| s.file == format!("images/{key}")).unwrap().label;
    assert!((0..10).all(|i| by_file(clean.key(i)) == clean.label(i)));
}

#[test]
fn targets_are_scored_on_a_benchmark() {
    let lab = finished(EXPERIMENT);
    lab.succeed(&["export", "--benchmark", "run", "--out", "benchmark"]);
    let folder = "benchmark/digits-lenet";
    let printed = lab.succeed(&["score", folder, "--target", "lenet=lenet.safetensors", "--json", "score.json"]);
    assert!(printed.contains("static FMR") && printed.contains("made for it"), "{printed}");
    let table: serde_json::Value = serde_json::from_str(&fs::read_to_string(lab.path("score.json")).unwrap()).unwrap();
    // The target that the images were made for says about the files what the export says.
    let rows = table["grids"][0]["rows"].as_array().unwrap();
    assert_eq!(rows[0]["cells"], rows[1]["cells"]);
    let by_name = lab.succeed(&["score", folder, "--target", "lenet", "--experiment", "lab.toml"]);
    assert_eq!(by_name.lines().count(), printed.lines().count());
    for (arguments, problem) in [
        (vec!["--target", "lenet"], "write lenet=WEIGHTS"),
        (vec!["--target", "lenett=lenet.safetensors"], "lenett"),
        (vec!["--target", "lenet=nowhere"], "there is no file nowhere"),
        (vec!["--target", "dim", "--experiment", "lab.toml"], "there is no target \"dim\""),
    ] {
        let refused = lab.refuse(&[vec!["score", folder], arguments].concat());
        assert!(refused.contains(problem), "{refused}");
    }
    let file = Benchmark::open(&lab.path(folder)).unwrap().samples()[0].file.clone();
    fs::write(lab.path(folder).join(file), "no picture").unwrap();
    let refused = lab.refuse(&["score", folder, "--target", "lenet=lenet.safetensors"]);
    assert!(refused.contains("1 file is not as"), "{refused}");
}

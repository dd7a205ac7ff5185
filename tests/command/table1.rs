//! The shipped experiment files.

use std::path::Path;
use std::process::Command;

fn experiments() -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("experiments")
}

/// A shipped file as it stands.
fn table(name: &str) -> toml::Table {
    std::fs::read_to_string(experiments().join(name)).unwrap().parse().unwrap()
}

/// The profiles of a file and of what it extends.
fn profiles(name: &str) -> Vec<String> {
    let table = table(name);
    let own = table.get("profiles").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys).cloned();
    let inherited = table.get("extends").and_then(toml::Value::as_str).map(profiles).unwrap_or_default();
    own.chain(inherited).collect()
}

/// Whether a file, or one that it extends, has rows.
fn has_rows(name: &str) -> bool {
    let table = table(name);
    table.contains_key("rows") || table.get("extends").and_then(toml::Value::as_str).is_some_and(has_rows)
}

#[test]
fn shipped_experiments_are_sound() {
    let names = std::fs::read_dir(experiments()).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    // Files without rows are for others to extend.
    let (tables, shared): (Vec<_>, Vec<_>) = names.iter().partition(|name| has_rows(name));
    assert!(!tables.is_empty());
    for name in shared {
        let extends =
            |other: &&String| table(other).get("extends").and_then(toml::Value::as_str) == Some(name.as_str());
        assert!(names.iter().any(|other| extends(&other)), "{name} has no rows, and no file extends it");
    }
    for name in tables {
        let named = profiles(name).into_iter().map(|profile| vec!["--profile".to_owned(), profile]);
        for profile in std::iter::once(vec![]).chain(named) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
            let output = command.arg("check").arg(experiments().join(name)).args(profile).output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Tables 11 and 12 with a few images and updates: masks are learned, figures stand beside the paper's, and rows whose
/// files are not here are named.
#[test]
fn tables_of_masks_run_in_their_quick_form() {
    let folder = tempfile::tempdir().unwrap();
    for (name, paper) in [("table11", "sparsity"), ("table12", "nine_class_imagenet")] {
        let out = folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
        command.arg("run").arg(experiments().join(format!("{name}.toml"))).arg("--out").arg(&out);
        command.args(["--quick", "--set", "search.budget=6", "--set", "search.step-size=0.01"]);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The paper's figures come from its table, not from here.
        let table = std::fs::read_to_string(experiments().join(format!("paper/{name}.tsv"))).unwrap();
        let lines = || table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
        let column = lines().next().unwrap().position(|heading| heading == paper).unwrap();
        for figure in lines().skip(1).filter_map(|mut line| line.nth(column)).take(2) {
            assert!(text.contains(figure), "{figure}: {text}");
        }
        for part in
            ["MNIST", "CIFAR-10", "9-class ImageNet", "sparse mask", "did not run here", "With the mask against"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let store = fmr::store::RunStore::read(&out).unwrap();
        let learned = |id: &str| store.facts(id).unwrap().mask.is_some_and(|mask| mask.learning.is_some());
        let masked = store.plan().rows.iter().filter(|row| learned(&row.id)).count();
        assert_eq!((store.plan().rows.len(), masked), (4, 2), "{text}");
    }
}

/// Table 15 with few steps: the loss of the class that is aimed at falls, from the oracle's own model too, and a run that keeps its
/// resolved experiment resumes without the files that it extends.
#[test]
fn an_attack_in_pixels_reaches_its_aim() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
    command.arg("run").arg(experiments().join("table15.toml")).arg("--quick").arg("--out").arg(&out);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("table.json")).unwrap()).unwrap();
    let grids = report["grids"].as_array().unwrap();
    let attacks = grids.iter().find(|grid| grid["id"] == "attacks").unwrap();
    let figures = |column: &str| -> Vec<f64> {
        let rows = attacks["rows"].as_array().unwrap().iter();
        rows.map(|row| row["cells"][column]["value"].as_f64().unwrap()).collect()
    };
    let (losses, aims) = (figures("target-loss"), figures("p-target"));
    assert_eq!(losses.len(), 10, "{text}");
    for target in losses.chunks(5) {
        assert!(target.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    }
    assert!(losses.iter().zip(&aims).all(|(loss, aim)| ((-loss).exp() - aim).abs() < 1e-9), "{losses:?} {aims:?}");
    assert!(!std::fs::read_to_string(out.join("experiment.toml")).unwrap().contains("extends"));
    let resumed = Command::new(env!("CARGO_BIN_EXE_fmr-under-test")).arg("resume").arg(&out).output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
}

/// Table 13 with a few images: figures of every class, and of all as one.
#[test]
fn classes_are_printed_one_by_one_with_their_total() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
    command.arg("run").arg(experiments().join("table13.toml")).arg("--out").arg(folder.path().join("run"));
    let output = command.args(["--quick", "--set", "search.budget=2"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["Class by class", "airplane", "truck", "all, pooled", "9-class IN", "did not run here"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

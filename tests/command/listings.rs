//! Commands that only tell: what a checkpoint is, which models there are, what a plugin is.

use std::process::{Command, Output};

use crate::support::{EXPERIMENT, Lab};

fn fmr(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(arguments).output().unwrap()
}

#[test]
fn inspect_says_what_a_checkpoint_is() {
    let output = fmr(&["inspect", "assets/weights/lenet.safetensors"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("a LeNet") && text.contains("6×1×5×5"), "{text}");
    let refused = fmr(&["inspect", "README.md"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && text.contains("README.md is not a checkpoint"), "{text}");
}

#[test]
fn models_lists_what_can_be_named() {
    let output = fmr(&["models"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(fmr_zoo::entries().iter().all(|e| text.contains(e.name)), "{text}");
    assert!(fmr_vqgan::published().iter().all(|p| text.contains(p.name)), "{text}");
    assert!(fmr_diffusion::published().iter().all(|p| text.contains(p.name)), "{text}");
    assert!(fmr_vdvae::published().iter().all(|p| text.contains(p.name)), "{text}");
    assert!(fmr_stylegan::published().iter().all(|p| text.contains(p.name)), "{text}");
    assert!(fmr_clip::published().iter().all(|p| text.contains(p.name)), "{text}");
}

#[test]
fn plugin_begins_a_crate_and_refuses_what_is_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = fmr(&["plugin", "new", "mine", "--kind", "scorer", "--folder", path]);
    assert!(output.status.success() && folder.path().join("mine/src/lib.rs").exists());
    let refused = fmr(&["plugin", "check", "README.md"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("README.md"));
}

#[test]
fn experiments_says_what_can_run_here() {
    let lab = Lab::new();
    let wide = "targets.wide = { kind = \"zoo\", model = \"lenet\", weights = \"wide.pth\", \
        obtain = { what = \"a wide LeNet\", get = \"train it\" } }";
    let rows = "[[rows]]\ntarget = \"lenet\"\n[[rows]]\ntarget = \"wide\"\n";
    let (tables, _) = EXPERIMENT.split_once("[[rows]]").unwrap();
    lab.write("shared.toml", tables);
    lab.write("table2.toml", &format!("extends = \"shared.toml\"\ntitle = \"Two rows\"\n{wide}\n{rows}"));
    lab.write("table10.toml", "extends = \"table2.toml\"\nsearch.budget = 9");
    lab.write("wrong.toml", "extends = \"shared.toml\"\nsearch.bugdet = 9\n[[rows]]\ntarget = \"lenet\"");
    insta::assert_snapshot!(lab.succeed(&["experiments", "."]));
    assert!(lab.refuse(&["experiments", "absent"]).contains("absent: the folder cannot be read"));
}

#[test]
fn experiments_lists_what_is_shipped() {
    let output = fmr(&["experiments"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains("  wrong  "), "{text}");
    for name in ["table1.toml: ", "table11.toml: ", "common.toml", "ResNet50 weights"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

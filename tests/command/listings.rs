//! Commands that only tell: what a checkpoint is, which models there are, what a plugin is.

use std::process::{Command, Output};

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

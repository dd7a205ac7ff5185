//! A plugin from someone else's crate: made by the scaffold, outside the workspace, with a lock file and a build of its
//! own, then loaded like any other.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{context, images, settings};
use fmr_plugins::check::{self, Options, Verdict};
use fmr_plugins::host::{Library, Limits, Role};
use fmr_plugins::scaffold::{self, Source};

/// Runs cargo in a crate: whether it was content, and what it said. Dependencies come from what the workspace has fetched
/// already, and their builds are kept for the next run of this test.
fn try_cargo(command: &str, root: &Path) -> (bool, String) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([command, "--offline", "--color=never"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn cargo(command: &str, root: &Path) -> String {
    let (content, text) = try_cargo(command, root);
    assert!(content, "cargo {command} in {}:\n{text}", root.display());
    text
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside")
}

/// A new crate of its own. Its lock file starts from the workspace's, so that it resolves without a network.
fn new(name: &str, role: Role, folder: &Path) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let root = scaffold::new(name, role, folder, &Source::Path(workspace.to_owned())).unwrap();
    std::fs::copy(workspace.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    root
}

fn library(name: &str) -> PathBuf {
    let file = format!("{}{}{}", std::env::consts::DLL_PREFIX, name.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    target().join("debug").join(file)
}

#[test]
fn crates_made_by_the_scaffold_build_test_themselves_and_load() {
    let folder = tempfile::tempdir().unwrap();
    for role in Role::ALL {
        let name = format!("outside-{role}");
        let root = new(&name, role, folder.path());
        cargo("build", &root);
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"")));
        // An author compiles the vocabulary of components, no more.
        for heavy in ["burn", "rusqlite", "image", "linfa", "toml"] {
            assert!(!lock.contains(&format!("name = \"{heavy}\"")), "{heavy}");
        }
        if role == Role::Target {
            let said = cargo("test", &root);
            assert!(said.contains("keeps_the_contract ... ok"), "{said}");
        }

        let report = check::run(&library(&name), &Options::default()).unwrap();
        assert!(report.passed(), "{report}");
        assert_eq!(report.count(Verdict::Skip), 0, "{report}");
        assert_eq!(report.library.name(), name);
    }

    let target = Library::open(&library("outside-target"), None).unwrap();
    let made = target.target(None, &settings(r#"{"classes": 7}"#), &context(), &Limits::default()).unwrap();
    assert_eq!(made.logits(images(2).view()).unwrap().dim(), (2, 7));
    let refused = |json: &str| target.target(None, &settings(json), &context(), &Limits::default()).err().unwrap();
    assert_eq!(refused(r#"{"classes": 1}"#).to_string(), "classes: is 1, must be at least 2");
    let other = refused(r#"{"clases": 1}"#).to_string();
    assert_eq!(other, "clases: is not a known key; the keys are classes, sharpness");
}

#[test]
fn misuse_of_the_macro_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let root = new("misused", Role::Target, folder.path());
    let (file, export) = (root.join("src/lib.rs"), r#"target "misused": Settings => Model::new"#);
    let sound = std::fs::read_to_string(&file).unwrap();
    assert!(sound.contains(export));
    let roles = "there is no role `classifier`; a component is a generator, an oracle, a target or a scorer";
    let form = "export! takes entries such as `target \"my-model\": MySettings => MyModel::new,`";
    for (instead, expected) in [
        (r#"classifier "misused": Settings => Model::new"#, roles),
        (r#"target misused: Settings => Model::new"#, form),
        (r#"target "misused" => Model::new"#, form),
        ("", form),
        (r#"oracle "misused": Settings => Model::new"#, "Oracle` is not satisfied"),
        (
            r#"target "misused": Model => |_, _| Err(SettingError::new(String::new(), String::new()))"#,
            "the trait bound `Model: serde::Deserialize<'de>` is not satisfied",
        ),
        (r#"target "misused": Settings => Model::check"#, "type mismatch in function arguments"),
    ] {
        std::fs::write(&file, sound.replace(export, instead)).unwrap();
        let (content, said) = try_cargo("build", &root);
        assert!(!content && said.contains(expected), "{instead}:\n{said}");
    }
}

#[test]
fn the_tutorial_shows_the_code_that_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tutorial = std::fs::read_to_string(root.join("../docs/your-own-target.md")).unwrap();
    let code = std::fs::read_to_string(root.join("src/scaffold/templates/target.rs")).unwrap();
    let blocks: Vec<&str> = tutorial.split("```rust\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        assert!(code.contains(block), "not in the scaffold's target:\n{block}");
    }
}

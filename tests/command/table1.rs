//! The shipped experiment files.

use std::path::Path;
use std::process::Command;

fn experiments() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")
}

#[test]
fn shipped_experiments_are_sound() {
    let mut checked = 0;
    for entry in std::fs::read_dir(experiments()).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let profiles = toml::from_str::<toml::Table>(&text).unwrap().remove("profiles");
            let names = profiles.and_then(|p| p.as_table().map(|p| p.keys().cloned().collect::<Vec<_>>()));
            let named = names.unwrap_or_default().into_iter().map(|name| vec!["--profile".to_owned(), name]);
            for profile in std::iter::once(vec![]).chain(named) {
                let mut command = Command::new(env!("CARGO_BIN_EXE_fmr"));
                let output = command.arg("check").arg(&path).args(profile).output().unwrap();
                assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
            }
            checked += 1;
        }
    }
    assert!(checked > 0);
}

//! What the tests share: a place to make components in, and the C compiler.
#![allow(dead_code, reason = "no test uses all of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, Settings};
use ndarray::Array4;

pub(crate) fn context() -> MakeContext<'static> {
    MakeContext::alone([3, 4, 5]).with_base("/").with_seed(7)
}

pub(crate) fn settings(json: &str) -> Settings {
    Settings(serde_json::from_str(json).unwrap())
}

/// Images that differ in every value.
pub(crate) fn images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 3, 4, 5), |(i, c, h, w)| ((i * 60 + c * 20 + h * 5 + w) as f32 * 0.37).sin() * 0.4 + 0.5)
}

/// The C compiler, from `CC` or `cc`; `None`, with a notice, where there is none.
pub(crate) fn compiler() -> Option<String> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    if Command::new(&cc).arg("--version").output().is_ok_and(|o| o.status.success()) {
        return Some(cc);
    }
    fmr_golden::skip("cc", format_args!("there is no C compiler {cc:?}"));
    None
}

/// Builds a plugin from a C file of `tests/c`.
pub(crate) fn build(cc: &str, source: &str, name: &str, arguments: &[&str], folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = folder.join(format!("lib{name}{}", std::env::consts::DLL_SUFFIX));
    let output = Command::new(cc)
        .args([
            "-std=c99",
            "-O1",
            "-g",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-Wno-unused",
            "-shared",
            "-fPIC",
            "-o",
        ])
        .arg(&library)
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("tests/c").join(source))
        .args(arguments)
        .arg("-lm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// A colour and a grey picture of sizes of their own.
pub(crate) fn pictures() -> Vec<Picture> {
    let picture = |shape: [usize; 3], bytes: u8| Picture { shape, bytes: vec![bytes; shape.iter().product()] };
    vec![picture([3, 6, 10], 255), picture([1, 9, 2], 51)]
}

/// The message without the folder of the test.
pub(crate) fn plain(message: impl ToString, folder: &Path) -> String {
    let message = message.to_string().replace(&folder.canonicalize().unwrap().display().to_string(), "DIR");
    message.replace(&folder.display().to_string(), "DIR")
}

//! What the tests share: the environment's packages, the plugin as a library that is loaded, a place, images.
#![allow(dead_code, reason = "no test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fmr_core::registry::{MakeContext, Settings};
use fmr_plugins::host::Library;
use ndarray::Array4;

/// Whether the environment's Python has a package; a notice where not.
pub(crate) fn has(package: &str) -> bool {
    let python = std::env::var_os("VIRTUAL_ENV").map_or("python3".into(), |v| PathBuf::from(v).join("bin/python"));
    let output = Command::new(python).args(["-c", &format!("import {package}")]).output();
    let has = output.is_ok_and(|o| o.status.success());
    if !has {
        eprintln!("skipped: {package} is not installed; set VIRTUAL_ENV to an environment that has it");
    }
    has
}

pub(crate) fn library() -> Arc<Library> {
    let name = format!("{}fmr_python{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Library::open(&std::env::current_exe().unwrap().parent().unwrap().join(name), None).unwrap()
}

pub(crate) fn context(base: &Path) -> MakeContext<'static> {
    MakeContext::alone([3, 8, 8]).with_base(base)
}

pub(crate) fn settings(json: &str) -> Settings {
    Settings(serde_json::from_str(json).unwrap())
}

pub(crate) fn images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 3, 8, 8), |(i, c, h, w)| ((i * 192 + c * 64 + h * 8 + w) as f32).sin() * 0.4 + 0.5)
}

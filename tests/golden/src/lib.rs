//! Parity tests against fixtures that the original Python code made.
//!
//! A case is a folder with a `case.toml` (what each tensor means, and how far a result may be from it) and an
//! `io.safetensors` (inputs, and the results that are wanted: names that start with `output.`, `grad.` or `mid.`).
//! A test walks the cases of its component, computes what it knows how to compute, and offers each result by name; a
//! wanted name that nothing was offered for fails, so that no part of a case is passed over in silence.
//!
//! ```no_run
//! if let Some(folder) = fmr_golden::folder("vqgan") {
//!     fmr_golden::compare(&folder, |case| {
//!         if case.text("checkpoint.file").is_none() {
//!             return Err("it has no checkpoint".to_owned());
//!         }
//!         let io = case.sheet();
//!         let mut report = io.report();
//!         let x = io.floats("input.x");
//!         report.floats("output.y", &[x[0] + 1.0]);
//!         Ok(vec![report])
//!     });
//! }
//! ```
//!
//! Everything here is for tests: what is wrong with a fixture or a result ends in a panic that says so.

mod case;
mod formula;
mod report;
mod skip;

use std::path::{Path, PathBuf};

pub use case::{Case, Sheet, Tensor, Tolerance, Values};
pub use formula::{Formula, Weights};
pub use report::Report;
pub use skip::skip;

/// The folder of a component's cases: below the folder that `FMR_GOLDEN` names, or `shared/golden` beside the
/// repository. Where there is none, a notice is printed and the caller skips (see [`skip`]).
///
/// # Panics
/// If `FMR_GOLDEN` names something that is no folder, or `FMR_REQUIRE` asks for the fixtures and there are none.
pub fn folder(component: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("FMR_GOLDEN") {
        Some(named) => {
            let root = PathBuf::from(named);
            assert!(root.is_dir(), "FMR_GOLDEN names {}, which is no folder", root.display());
            root
        }
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden"),
    };
    let folder = root.join(component);
    if folder.is_dir() {
        return Some(folder);
    }
    skip("golden", format_args!("there is no folder {} (FMR_GOLDEN names a different one)", folder.display()));
    None
}

/// The cases of a folder, by name.
///
/// # Panics
/// If a case cannot be read.
pub fn cases(folder: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut folders: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    folders.retain(|f| f.join("case.toml").is_file());
    folders.sort();
    folders.iter().map(|f| Case::read(f)).collect()
}

/// Runs `compute` on every case of a folder and compares what it gives.
///
/// `compute` answers with one report a sheet, or with the reason why the case is not run (a family that is not built).
/// Prints one line a case and one for all.
///
/// # Panics
/// If a result is out of tolerance or a wanted tensor was not computed, after all cases ran; or if no case could be
/// run at all.
pub fn compare(folder: &Path, compute: impl for<'c> FnMut(&'c Case) -> Result<Vec<Report<'c>>, String>) {
    let (unknown, failures) = walk(folder, compute);
    for problem in unknown {
        println!("{problem}");
    }
    assert!(failures.is_empty(), "{} results do not match:\n{}", failures.len(), failures.join("\n"));
}

/// As [`compare`], and a case that is not run is a failure too.
///
/// # Panics
/// As [`compare`], or if `compute` gives a reason why a case is not run.
pub fn compare_every(folder: &Path, compute: impl for<'c> FnMut(&'c Case) -> Result<Vec<Report<'c>>, String>) {
    let (unknown, failures) = walk(folder, compute);
    let problems = [unknown, failures].concat();
    assert!(problems.is_empty(), "{} results do not match:\n{}", problems.len(), problems.join("\n"));
}

/// Compares all cases of a folder: those that are not run, with the reasons, and what does not match.
fn walk(
    folder: &Path,
    mut compute: impl for<'c> FnMut(&'c Case) -> Result<Vec<Report<'c>>, String>,
) -> (Vec<String>, Vec<String>) {
    let cases = cases(folder);
    let (mut run, mut tensors, mut values) = (0, 0, 0);
    let (mut unknown, mut failures) = (Vec::new(), Vec::new());
    for case in &cases {
        match compute(case) {
            Err(reason) => unknown.push(format!("{}: not run: {reason}", case.name())),
            Ok(reports) => {
                run += 1;
                for report in reports {
                    tensors += report.tensors();
                    values += report.values();
                    println!("{report}");
                    failures.extend(report.into_failures());
                }
            }
        }
    }
    println!("{run} of {} cases, {tensors} tensors, {values} values compared in {}", cases.len(), folder.display());
    assert!(run > 0, "no case of {} is understood", folder.display());
    (unknown, failures)
}

/// Cells of the named columns of a list of keys (`keys/*.tsv`), below comment lines that start with `#`.
fn cells<const N: usize>(path: &Path, columns: [&str; N]) -> Vec<[String; N]> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let place = |name: &str| {
        header.iter().position(|h| *h == name).unwrap_or_else(|| panic!("{} has no column {name}", path.display()))
    };
    let columns = columns.map(place);
    let rows = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| columns.map(|column| row[column].to_owned())).collect()
}

/// A shape in a list of keys: `64x3`, `[64,3]`, or `scalar`.
fn sizes(text: &str) -> Vec<usize> {
    text.trim_matches(['[', ']']).split(['x', ',']).filter_map(|size| size.trim().parse().ok()).collect()
}

/// Name and shape of every parameter in a list of keys (`keys/*.tsv`): tab-separated columns `key` and `shape`
/// (`64x3`, `[64,3]`, or `scalar`) below comment lines that start with `#`. Integers (counters) are left out.
///
/// # Panics
/// If the file is no such list.
pub fn keys(path: &Path) -> Vec<(String, Vec<usize>)> {
    let rows = cells(path, ["key", "shape", "dtype"]);
    let floats = rows.into_iter().filter(|[_, _, dtype]| !dtype.to_lowercase().starts_with(['i', 'u']));
    floats.map(|[key, shape, _]| (key, sizes(&shape))).collect()
}

/// The lists of keys of a component, by file name without its ending.
pub fn key_lists(component: &str) -> Vec<(String, PathBuf)> {
    let Some(folder) = folder(component).map(|f| f.join("keys")).filter(|f| f.is_dir()) else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut lists: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "tsv"))
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    lists.sort();
    lists
}

//! A comparison that should fail, fails.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::panic::catch_unwind;
use std::path::Path;

use fmr_golden::Report;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A folder with one case that wants `output.y` = [1, 2] within 0.1 and `output.k` = 7.
fn fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    std::fs::create_dir(&case).unwrap();
    let table =
        "[[tensor]]\nname = \"output.y\"\nrtol = 0.0\natol = 0.1\n[[tensor]]\nname = \"output.k\"\nexact = true\n";
    std::fs::write(case.join("case.toml"), table).unwrap();
    let y: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let k = 7_i64.to_le_bytes();
    let tensors = [
        ("output.y", TensorView::new(Dtype::F32, vec![2], &y).unwrap()),
        ("output.k", TensorView::new(Dtype::I64, vec![], &k).unwrap()),
    ];
    std::fs::write(case.join("io.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();
    folder
}

fn outcome(folder: &Path, y: &[f32], k: Option<i64>) -> Result<(), String> {
    let run = || {
        fmr_golden::compare(folder, |case| {
            let mut report: Report<'_> = case.sheet().report();
            report.floats("output.y", y);
            if let Some(k) = k {
                report.ints("output.k", &[k]);
            }
            Ok(vec![report])
        });
    };
    catch_unwind(run).map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn only_results_within_tolerance_pass() {
    let folder = fixture();
    let problem = |y: &[f32], k| outcome(folder.path(), y, k).err().unwrap_or_default();
    assert_eq!(problem(&[1.05, 1.95], Some(7)), "");
    assert!(problem(&[1.2, 2.0], Some(7)).contains("output.y: its error is 2.000 of the tolerance"));
    assert!(problem(&[f32::NAN, 2.0], Some(7)).contains("output.y: its error is inf"));
    assert!(problem(&[1.0], Some(7)).contains("1 values instead of the 2"));
    assert!(problem(&[1.0, 2.0], Some(8)).contains("8 instead of 7"));
    assert!(problem(&[1.0, 2.0], None).contains("output.k was not computed"));
}

#[test]
fn a_folder_without_a_case_that_runs_fails() {
    let folder = fixture();
    assert!(catch_unwind(|| fmr_golden::compare(folder.path(), |_| Err("no".to_owned()))).is_err());
}

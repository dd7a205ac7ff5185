//! Every probe of `fmr plugin check` can fail: a target that breaks the contract in one way at a time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};

use common::settings;
use fmr_core::preprocess::Picture;
use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, ImagePullBack, Oracle, Target, TargetSpec};
use fmr_plugins::check::{self, Options, Report, Verdict};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};

#[derive(serde::Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    fault: String,
}

/// Two logits: sum of squares and its negative.
struct Faulty {
    spec: TargetSpec,
    fault: String,
    calls: AtomicU32,
}

impl Faulty {
    fn new(settings: Settings, _: &MakeContext<'_>) -> Result<Self, ComponentError> {
        let differentiable = settings.fault != "no gradient";
        let spec = TargetSpec { name: "faulty".into(), classes: 2, differentiable };
        Ok(Self { spec, fault: settings.fault, calls: AtomicU32::new(0) })
    }

    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }
}

impl Target for Faulty {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let n = images.dim().0;
        if self.is("one size") && images.dim().2 != 32 {
            panic!("index out of bounds");
        }
        let images = if self.is("hides NaN") { images.mapv(|v| v.max(0.0)) } else { images.to_owned() };
        let mut sums: Vec<f32> = images.axis_iter(Axis(0)).map(|x| x.iter().map(|v| v * v).sum::<f32>()).collect();
        if self.is("batch statistics") {
            let mean = sums.iter().sum::<f32>() / n as f32;
            sums.iter_mut().for_each(|s| *s -= mean);
        }
        if self.is("random") {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) as f32;
            sums.iter_mut().for_each(|s| *s += call);
        }
        if self.is("threads") {
            let others = self.calls.fetch_add(1, Ordering::SeqCst) as f32;
            std::thread::sleep(std::time::Duration::from_millis(20));
            self.calls.fetch_sub(1, Ordering::SeqCst);
            sums.iter_mut().for_each(|s| *s += others);
        }
        Ok(Array2::from_shape_fn((n, 2), |(i, k)| if k == 0 { sums[i] } else { -sums[i] }))
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        assert!(!self.is("pictures of one size") || pictures.iter().all(|p| p.shape[1] == 64), "index out of bounds");
        let mut means: Vec<f32> = pictures.iter().map(|p| p.values().sum::<f32>() / p.bytes.len() as f32).collect();
        let (n, call) = (means.len() as f32, self.calls.fetch_add(1, Ordering::Relaxed) as f32);
        means.iter_mut().for_each(|mean| match self.fault.as_str() {
            "pictures of a batch" => *mean /= n,
            "random pictures" => *mean += call,
            "NaN pictures" => *mean = f32::NAN,
            _ => {}
        });
        Ok(Some(means.into_iter().map(|mean| [mean, -mean]).collect::<Vec<_>>().into()))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (mut logits, images) = (self.logits(images)?, images.to_owned());
        if self.is("other forward") {
            logits += 100.0;
        }
        let pull = move |c: ArrayView2<'_, f32>| {
            let dim = images.raw_dim();
            let mut gradient: Array4<f32> =
                Array4::from_shape_fn(dim, |(i, a, y, x)| 2.0 * images[[i, a, y, x]] * (c[[i, 0]] - c[[i, 1]]));
            match self.fault.as_str() {
                "no factor" => gradient *= 0.5,
                "samples swapped" => gradient.invert_axis(Axis(0)),
                "NaN gradient" => gradient.fill(f32::NAN),
                "zero gradient" => gradient.fill(0.0),
                _ => {}
            }
            Ok(gradient)
        };
        Ok((logits, Box::new(pull)))
    }
}

/// Gives logits where probabilities belong.
struct Logits(usize);

impl Oracle for Logits {
    fn name(&self) -> &str {
        "logits"
    }

    fn set_classes(&mut self, names: &[String], _: &[String]) -> Result<(), ComponentError> {
        self.0 = names.len();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(Array2::from_elem((images.dim().0, self.0), 3.5))
    }
}

#[derive(serde::Deserialize)]
struct Anything {}

fmr_plugins::export! {
    target "faulty": Settings => Faulty::new,
    oracle "logits": Anything => |_, _: &MakeContext<'_>| Ok::<_, ComponentError>(Logits(0)),
}

fn report(component: &str, json: &str) -> Report {
    let options = Options {
        component: Some(component.into()),
        settings: settings(json),
        image: [3, 32, 32],
        ..Options::default()
    };
    check::library(&fmr_plugins::linked!().unwrap(), &options)
}

/// Probes with that verdict, but for those of handles: other tests have live ones at the same time.
fn probes(report: &Report, verdict: Verdict) -> Vec<&str> {
    let of = report.findings.iter().filter(|f| f.verdict == verdict && f.probe != "handles");
    of.map(|f| f.probe.as_str()).collect()
}

#[test]
fn each_fault_is_found_by_its_probe() {
    for (fault, probe) in [
        ("batch statistics", "logits, samples on their own"),
        ("random", "logits, determinism"),
        ("threads", "logits, threads"),
        ("other forward", "logits, pull-back"),
        ("no factor", "logits, pull-back"),
        ("samples swapped", "logits, pull-back"),
        ("NaN gradient", "logits, pull-back"),
        ("zero gradient", "logits, pull-back"),
        ("one size", "odd sizes"),
        ("pictures of one size", "pictures"),
        ("pictures of a batch", "pictures"),
        ("random pictures", "pictures"),
        ("NaN pictures", "pictures"),
    ] {
        let report = report("faulty", &format!(r#"{{"fault": "{fault}"}}"#));
        assert!(probes(&report, Verdict::Fail).contains(&probe), "{fault}:\n{report}");
    }
    let sound = report("faulty", "{}");
    assert_eq!(probes(&sound, Verdict::Fail), [""; 0], "{sound}");
    assert!(probes(&sound, Verdict::Pass).contains(&"pictures"), "{sound}");
    assert_eq!(probes(&report("faulty", r#"{"fault": "hides NaN"}"#), Verdict::Note), ["logits, NaN"]);
    assert_eq!(probes(&report("faulty", r#"{"fault": "no gradient"}"#), Verdict::Note), ["pull-back"]);
}

#[test]
fn logits_of_an_oracle_and_lax_settings_are_found() {
    let report = report("logits", "{}");
    assert_eq!(probes(&report, Verdict::Fail), ["settings", "probabilities"], "{report}");
    assert_eq!(probes(&report, Verdict::Skip), ["pictures"], "{report}");
}

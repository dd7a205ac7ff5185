//! Probes of a function that maps rows to rows: what all roles have in common.

use fmr_core::ComponentError;
use ndarray::{Array2, ArrayView2, Axis, s};

use super::report::Writer;

type Forward<'a> = Box<dyn Fn(ArrayView2<'_, f32>) -> Result<Array2<f32>, ComponentError> + Sync + 'a>;
type Pull<'a> = Box<
    dyn Fn(ArrayView2<'_, f32>, ArrayView2<'_, f32>) -> Result<(Array2<f32>, Array2<f32>), ComponentError> + Sync + 'a,
>;

/// A function of rows; row i of the result depends on row i alone.
pub(super) struct Rows<'a> {
    /// What it gives, for the report.
    pub(super) what: &'static str,
    /// Sensible rows to feed it with.
    pub(super) samples: Array2<f32>,
    /// The function.
    pub(super) forward: Forward<'a>,
    /// Result and vector-Jacobian product for a cotangent.
    pub(super) pull: Option<Pull<'a>>,
}

/// Most samples that a probe feeds at once.
pub(super) const MOST: usize = 7;

/// Numbers that look random and are always the same.
pub(super) fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array2::from_shape_simple_fn((rows, columns), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// Largest difference of two results, each value's relative to its size or 1.
pub(super) fn distance(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> f32 {
    a.iter().zip(b).fold(0.0, |worst, (x, y)| {
        let d = (x - y).abs() / x.abs().max(y.abs()).max(1.0);
        if d.is_nan() { f32::INFINITY } else { worst.max(d) }
    })
}

pub(super) fn same_bits(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> bool {
    a.dim() == b.dim() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
}

impl Rows<'_> {
    /// Runs all probes. They end early where the function does not work at all.
    pub(super) fn check(&self, report: &mut Writer<'_>) {
        let name = |probe: &str| format!("{}, {probe}", self.what);
        let whole = match self.batches() {
            Ok(whole) => whole,
            Err(problem) => return report.fail(&name("batches"), problem),
        };
        report.pass(&name("batches"), format!("0, 1, 2, 3 and {MOST} samples give finite numbers of the right shape"));
        self.independence(whole.view(), &name("samples on their own"), report);
        match (self.forward)(self.samples.view()) {
            Ok(again) if same_bits(again.view(), whole.view()) => {
                report.pass(&name("determinism"), "a repeated call gives the same bits");
            }
            Ok(again) => report.fail(
                &name("determinism"),
                format!(
                    "a repeated call differs by {:.1e}; results must depend on the input and the seed alone",
                    distance(again.view(), whole.view())
                ),
            ),
            Err(e) => report.fail(&name("determinism"), format!("a repeated call fails: {e}")),
        }
        self.threads(whole.view(), &name("threads"), report);
        self.not_finite(whole.view(), &name("NaN"), report);
        if self.pull.is_some() {
            self.gradient(whole.view(), &name("pull-back"), report);
        }
    }

    fn batches(&self) -> Result<Array2<f32>, String> {
        for n in [1, 2, 3, 0] {
            let some = (self.forward)(self.samples.slice(s![..n, ..])).map_err(|e| format!("{n} samples fail: {e}"))?;
            if some.nrows() != n {
                return Err(format!("{n} samples give {} rows", some.nrows()));
            }
        }
        let whole = (self.forward)(self.samples.view()).map_err(|e| format!("{MOST} samples fail: {e}"))?;
        match whole.iter().find(|v| !v.is_finite()) {
            Some(v) => Err(format!("gives {v} for sound input; results must be finite")),
            None => Ok(whole),
        }
    }

    fn independence(&self, whole: ArrayView2<'_, f32>, name: &str, report: &mut Writer<'_>) {
        let mut worst = 0.0_f32;
        for (i, row) in whole.axis_iter(Axis(0)).enumerate() {
            match (self.forward)(self.samples.slice(s![i..=i, ..])) {
                Ok(alone) => worst = worst.max(distance(alone.view(), row.insert_axis(Axis(0)))),
                Err(e) => return report.fail(name, format!("sample {i} alone fails: {e}")),
            }
        }
        match worst {
            0.0 => report.pass(name, "each gives the same bits alone and in a batch"),
            w if w < 1e-4 => report.note(name, format!("alone and in a batch they differ by rounding, {w:.1e}")),
            w => report.fail(
                name,
                format!("alone and in a batch they differ by {w:.1e}; a sample's result must not depend on others"),
            ),
        }
    }

    fn threads(&self, whole: ArrayView2<'_, f32>, name: &str, report: &mut Writer<'_>) {
        let call = || -> Result<bool, String> {
            for _ in 0..3 {
                let some = (self.forward)(self.samples.view()).map_err(|e| e.to_string())?;
                if !same_bits(some.view(), whole) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let results: Vec<Result<bool, String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
        });
        if let Some(Err(e)) = results.iter().find(|r| r.is_err()) {
            report.fail(name, format!("a call beside others fails: {e}"));
        } else if results.contains(&Ok(false)) {
            report.fail(
                name,
                "calls from 4 threads give other numbers; guard shared state, or leave out FMR_THREAD_SAFE",
            );
        } else {
            report.pass(name, "calls from 4 threads give the same bits");
        }
    }

    fn not_finite(&self, whole: ArrayView2<'_, f32>, name: &str, report: &mut Writer<'_>) {
        let mut samples = self.samples.slice(s![..2, ..]).to_owned();
        samples.row_mut(0).fill(f32::NAN);
        match (self.forward)(samples.view()) {
            Err(e) if e.problem.contains("panicked") || e.problem.contains("did not return") => {
                report.fail(name, format!("a sample of NaN ends badly: {e}; return an error or NaN"));
            }
            Err(_) => report.pass(name, "a sample of NaN is answered by an error"),
            Ok(result) if distance(result.slice(s![1..2, ..]), whole.slice(s![1..2, ..])) > 1e-4 => {
                report.fail(name, "a sample of NaN spoils the sample beside it");
            }
            Ok(result) if result.row(0).iter().all(|v| v.is_finite()) => {
                report.note(name, "a sample of NaN gives finite numbers, so that a fault before it would be hidden");
            }
            Ok(_) => report.pass(name, "a sample of NaN gives numbers that are not finite, for that sample alone"),
        }
    }

    fn gradient(&self, whole: ArrayView2<'_, f32>, name: &str, report: &mut Writer<'_>) {
        let Some(pull) = &self.pull else { return };
        let cotangent = noise(whole.nrows(), whole.ncols(), 3);
        let (value, gradient) = match pull(self.samples.view(), cotangent.view()) {
            Ok(both) => both,
            Err(e) => return report.fail(name, format!("fails: {e}")),
        };
        let apart = distance(value.view(), whole);
        if apart > 1e-5 {
            return report
                .fail(name, format!("the forward with a pull-back differs by {apart:.1e} from the one without"));
        }
        if gradient.iter().any(|g| !g.is_finite()) {
            return report.fail(name, "gives gradients that are not finite");
        }
        if let Err(problem) = self.alone(pull, cotangent.view(), gradient.view()) {
            return report.fail(name, problem);
        }
        let mut worst = 0.0_f64;
        for seed in 11..15 {
            match self.slope_error(cotangent.view(), gradient.view(), seed) {
                Ok(error) => worst = worst.max(error),
                Err(e) => return report.fail(name, format!("the forward fails near the samples: {e}")),
            }
        }
        if worst > 0.03 {
            report.fail(
                name,
                format!(
                    "differs from finite differences by {:.0} %; the gradient or its order is wrong",
                    worst * 100.0
                ),
            );
        } else if gradient.iter().all(|g| *g == 0.0) {
            report.note(name, "the gradient is zero everywhere");
        } else {
            report.pass(name, format!("agrees with finite differences to {:.1} %", worst * 100.0));
        }
    }

    /// A sample's gradient must not depend on the others, and an unused pull-back must not disturb.
    fn alone(&self, pull: &Pull<'_>, cotangent: ArrayView2<'_, f32>, batch: ArrayView2<'_, f32>) -> Result<(), String> {
        let i = MOST / 2;
        let (_, one) = pull(self.samples.slice(s![i..=i, ..]), cotangent.slice(s![i..=i, ..]))
            .map_err(|e| format!("one sample alone fails: {e}"))?;
        let scale = batch.iter().fold(1e-12_f32, |m, g| m.max(g.abs()));
        let apart = distance((&one / scale).view(), (&batch.slice(s![i..=i, ..]) / scale).view());
        if apart > 1e-3 { Err(format!("a sample alone and in a batch differ by {apart:.1e}")) } else { Ok(()) }
    }

    /// Relative error of the slope along a random direction, at the step that suits the function best.
    fn slope_error(
        &self,
        cotangent: ArrayView2<'_, f32>,
        gradient: ArrayView2<'_, f32>,
        seed: u64,
    ) -> Result<f64, ComponentError> {
        let direction = noise(self.samples.nrows(), self.samples.ncols(), seed);
        let dot = |a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>| -> f64 {
            a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let expected = dot(gradient, direction.view());
        // A slope that is small by chance is measured against the usual one, so that rounding and kinks of the function
        // do not count for more than they are: the error is the share of the gradient that is wrong.
        let size = |a: ArrayView2<'_, f32>| dot(a, a).sqrt();
        let scale = expected.abs().max(size(gradient) * size(direction.view()) / (direction.len() as f64).sqrt());
        let mut best = f64::INFINITY;
        for step in [0.1_f32, 0.03, 0.01, 0.003, 0.001, 0.0003] {
            let up = (self.forward)((&self.samples + &(&direction * step)).view())?;
            let down = (self.forward)((&self.samples - &(&direction * step)).view())?;
            let slope = (dot(cotangent, up.view()) - dot(cotangent, down.view())) / (2.0 * f64::from(step));
            let error = (slope - expected).abs();
            best = best.min(if error == 0.0 { 0.0 } else { error / scale.max(slope.abs()).max(1e-12) });
        }
        Ok(best)
    }
}

//! Time to fit the sparse mask, as JSON lines: one a matrix, model and gap.
//!
//!     cargo bench -p fmr-core --bench sparse_mask -- [--write FOLDER] [--repeats N] [--full-width] [--weak]
//!
//! `--write` leaves the matrices (raw little-endian f32, row-major, first half originals) for
//! `benches/peers/sparse_mask_sklearn.py`, which times scikit-learn on them. `--full-width` adds linfa-elasticnet's
//! Lasso on all columns at once, `--weak` fits at penalties that leave nearly as many weights as there are rows. Times are
//! CPU seconds of this thread where the system tells them (the mean) and wall seconds (the least) of N runs or more.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fmr_mask::{Fit, Form, Limits, Model, Problem, Standardize};
use linfa::traits::Fit as _;
use linfa_ndarray::ShapeBuilder as _;
use ndarray::{Array2, ArrayView1};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Pairs of latents of `channels` feature maps of `side` × `side`.
struct Matrix {
    name: &'static str,
    pairs: usize,
    channels: usize,
    side: usize,
    shifted: usize,
}

const MATRICES: [Matrix; 2] = [
    Matrix { name: "400x50176", pairs: 200, channels: 256, side: 14, shifted: 350 },
    Matrix { name: "2000x4096", pairs: 1000, channels: 64, side: 8, shifted: 80 },
];

/// Smooth fields that all channels mix.
const FIELDS: usize = 16;

impl Matrix {
    /// Smooth latents whose channels are correlated; the perturbed ones differ by noise, and by a shift in a few
    /// columns.
    fn make(&self) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.pairs as u64);
        let (n, sites) = (self.pairs, self.side * self.side);
        let d = self.channels * sites;
        let mut uniform = move || rng.random::<f32>() * 2.0 - 1.0;
        let mixing: Vec<f32> = (0..self.channels * FIELDS).map(|_| uniform()).collect();
        let mut shift = vec![0.0; d];
        for k in 0..self.shifted {
            shift[(k * d / self.shifted + k % 7).min(d - 1)] = 0.6 * uniform();
        }
        let mut x = Array2::zeros((2 * n, d));
        for i in 0..n {
            let mut fields = vec![0.0; FIELDS * sites];
            for field in fields.chunks_mut(sites) {
                let (fx, fy, phase, size) = (3.0 * uniform(), 3.0 * uniform(), 3.2 * uniform(), uniform());
                for (s, value) in field.iter_mut().enumerate() {
                    let at = |k: usize| k as f32 / self.side as f32;
                    *value = size * (fx * at(s / self.side) + fy * at(s % self.side) + phase).cos();
                }
            }
            for c in 0..self.channels {
                for s in 0..sites {
                    let j = c * sites + s;
                    let mixed: f32 = (0..FIELDS).map(|f| mixing[c * FIELDS + f] * fields[f * sites + s]).sum();
                    let original = mixed + 0.5 * uniform();
                    x[[i, j]] = original;
                    x[[n + i, j]] = original + 0.3 * uniform() + shift[j] * (1.0 + 0.5 * uniform());
                }
            }
        }
        x
    }
}

struct Options {
    write: Option<PathBuf>,
    repeats: usize,
    full_width: bool,
    weak: bool,
}

fn options() -> Options {
    let mut options = Options { write: None, repeats: 3, full_width: false, weak: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--write" => options.write = words.next().map(PathBuf::from),
            "--repeats" => options.repeats = words.next().unwrap().parse().unwrap(),
            "--full-width" => options.full_width = true,
            "--weak" => options.weak = true,
            _ => {}
        }
    }
    options
}

fn main() {
    let options = options();
    for matrix in &MATRICES {
        let x = matrix.make();
        if let Some(folder) = &options.write {
            write(&folder.join(format!("{}.f32", matrix.name)), &x);
        }
        let rows: Vec<ArrayView1<'_, f32>> = x.rows().into_iter().collect();
        let labels: Vec<bool> = (0..rows.len()).map(|i| i >= matrix.pairs).collect();
        for model in [Model::Logistic, Model::Lasso] {
            let form = Form { model, standardize: Standardize::Scale, intercept: true };
            let (prepare, problem) = timed(options.repeats, || Problem::new(&rows, &labels, form).unwrap());
            let max = problem.penalty_max();
            let penalties = match model {
                Model::Logistic => vec![rows.len() as f64 / 36.36, 0.05 * max],
                Model::Lasso => vec![0.1 * max, 0.05 * max],
            };
            let weak = options.weak.then_some([0.01 * max, 0.001 * max]);
            for penalty in penalties.into_iter().chain(weak.into_iter().flatten()) {
                for gap in [1e-4, 1e-9] {
                    let limits = Limits { gap, ..Limits::default() };
                    let (seconds, fit) = timed(options.repeats, || problem.solve(penalty, limits, None).unwrap());
                    report(matrix.name, model, max, &fit, prepare, seconds);
                }
                if options.full_width && model == Model::Lasso {
                    full_width(matrix.name, &x, &labels, penalty);
                }
            }
        }
    }
}

fn report(matrix: &str, model: Model, max: f64, fit: &Fit, prepare: Seconds, seconds: Seconds) {
    let line = json!({
        "peer": "fmr", "matrix": matrix, "model": model, "penalty": fit.penalty, "penalty-max": max,
        "kept": fit.weights.len(), "objective": fit.objective, "gap": fit.optimality.gap,
        "kkt-excluded": fit.optimality.excluded, "kkt-included": fit.optimality.included, "passes": fit.passes,
        "prepare-cpu-s": prepare.cpu, "prepare-wall-s": prepare.wall, "cpu-s": seconds.cpu, "wall-s": seconds.wall,
    });
    println!("{line}");
}

/// linfa-elasticnet on every column at once, centred and scaled, at its default tolerance.
fn full_width(matrix: &str, x: &Array2<f32>, labels: &[bool], penalty: f64) {
    let (n, p) = x.dim();
    let mut columns = Vec::with_capacity(n * p);
    for column in x.columns() {
        let mean = column.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let deviation = (column.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        columns.extend(column.iter().map(|&v| (f64::from(v) - mean) / deviation));
    }
    let columns = linfa_ndarray::Array2::from_shape_vec((n, p).f(), columns).unwrap();
    let y = labels.iter().map(|&l| f64::from(u8::from(l)) - 0.5).collect::<linfa_ndarray::Array1<f64>>();
    let data = linfa::Dataset::new(columns, y);
    let lasso = linfa_elasticnet::ElasticNet::<f64>::lasso().with_intercept(false).penalty(penalty / n as f64);
    let (seconds, fit) = timed(1, || lasso.clone().tolerance(1e-4).max_iterations(5000).fit(&data).unwrap());
    let line = json!({
        "peer": "linfa-elasticnet", "matrix": matrix, "model": "lasso", "penalty": penalty,
        "kept": fit.hyperplane().iter().filter(|v| **v != 0.0).count(), "epochs": fit.n_steps(),
        "cpu-s": seconds.cpu, "wall-s": seconds.wall,
    });
    println!("{line}");
}

#[derive(Clone, Copy)]
struct Seconds {
    cpu: Option<f64>,
    wall: f64,
}

/// Runs are repeated until they took this long together: the scheduler counts CPU time in ticks of some milliseconds.
const LONG_ENOUGH: f64 = 0.4;

/// Time of a run, of `repeats` or more (of one where that is asked for), and the last result.
fn timed<R>(repeats: usize, mut run: impl FnMut() -> R) -> (Seconds, R) {
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let (mut least, mut runs) = (f64::INFINITY, 0);
    loop {
        let wall = Instant::now();
        let result = run();
        least = least.min(wall.elapsed().as_secs_f64());
        runs += 1;
        if runs >= repeats && (repeats == 1 || begin.elapsed().as_secs_f64() > LONG_ENOUGH) {
            let cpu = cpu_seconds().zip(cpu).map(|(after, before)| (after - before) / runs as f64);
            return (Seconds { wall: least, cpu }, result);
        }
    }
}

/// CPU time of this thread, from Linux's scheduler.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9)
}

fn write(path: &Path, x: &Array2<f32>) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    x.iter().for_each(|v| file.write_all(&v.to_le_bytes()).unwrap());
}

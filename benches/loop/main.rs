//! Speed of the perturbation loop, to be held against a PyTorch script that does the same work:
//! `cargo run --release --example bench_loop -- --scenario small --images 8 --iterations 20`
//!
//! One unit of work is an *image-iteration*: decode the latent, let the oracle judge the image, run the target forward
//! and pull the gradient of its loss back to the latent. Weights are random (seeded), the first latents are drawn
//! instead of encoded, and every image is kept alive. The engine does a little more than that: it also judges and
//! classifies the original and the first decoded image, and all of it is in the measured time.
//!
//! With `--plugins FOLDER` the same models run as plugins, from the libraries in that folder (after a build of the whole
//! workspace: `target/release`), so that two runs tell what the border costs.
//!
//! `--kept PERCENT` moves that share of the latent values alone, `--spare` lets the engine skip what an update left as
//! it was, as it does in a run; without it every image-iteration is computed, which is what the peer does.
//!
//! Prints one JSON line. `fractions` are shares of the threads' time.

mod models;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use fmr_core::metrics::Effort;
use fmr_core::perturb::{PerturbError, Perturber, SampleBatch, SearchSettings, Workers};
use fmr_core::scorer::CrossEntropy;
use fmr_core::verdict::{Verdict, VerdictRule, VerdictSettings};
use fmr_core::{ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentPullBack, Oracle, Target, TargetSpec};
use fmr_nn::device::device;
use fmr_nn::kernels::parallel::run_serially_on_this_thread;
use models::Models;
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum, default_value = "paper")]
    scenario: models::Scenario,
    /// Folder with the first-party plugins, to run the models as these instead of linked in.
    #[arg(long, value_name = "FOLDER")]
    plugins: Option<PathBuf>,
    #[arg(long, default_value_t = 2)]
    images: usize,
    #[arg(long, default_value_t = 3)]
    iterations: usize,
    /// Images worked on together on a lane; 0: as many as keep all lanes busy, at most 4.
    #[arg(long, default_value_t = 0)]
    batch: usize,
    /// Batches worked on side by side, each on one thread; with 1 lane the kernels use all threads.
    #[arg(long, default_value_t = 0)]
    lanes: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Percentage of latent values that may move, drawn at random; all of them unless given.
    #[arg(long, value_name = "PERCENT")]
    kept: Option<f64>,
    /// Where to compute, as `run.device` of an experiment file names it; plugins always compute on the processor.
    #[arg(long, default_value = "cpu", conflicts_with = "plugins")]
    device: String,
    /// Step size.
    #[arg(long, default_value_t = 0.001)]
    step_size: f64,
    /// Updates that change no codebook vector cost no decode.
    #[arg(long)]
    spare: bool,
}

/// Nanoseconds spent in one kind of work, over all threads.
struct Timer(AtomicU64);

impl Timer {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn time<T>(&self, f: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = f();
        self.0.fetch_add(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }
}

static DECODE: Timer = Timer::new();
static QUANTIZE: Timer = Timer::new();
static ORACLE: Timer = Timer::new();
static TARGET: Timer = Timer::new();
static PULL_GENERATOR: Timer = Timer::new();
static PULL_TARGET: Timer = Timer::new();

/// Draws latents instead of encoding, and times the rest.
struct TimedGenerator {
    inner: Box<dyn Generator>,
    spare: bool,
}

impl Generator for TimedGenerator {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let mut random = ChaCha8Rng::seed_from_u64(labels.iter().fold(1, |seed, label| seed * 31 + *label as u64));
        // Uniform with the deviation of a standard normal.
        let half = 3_f32.sqrt();
        Ok(Array2::from_shape_simple_fn((images.dim().0, self.spec().latent_len()), || {
            random.random_range(-half..half)
        }))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        DECODE.time(|| self.inner.decode(latents, labels))
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        if self.spare { QUANTIZE.time(|| self.inner.quantized(latents)) } else { Ok(None) }
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let (images, pull_back) = DECODE.time(|| self.inner.decode_with_pullback(latents, labels))?;
        Ok((images, Box::new(|gradient| PULL_GENERATOR.time(|| pull_back(gradient)))))
    }
}

struct TimedOracle(Box<dyn Oracle>);

impl Oracle for TimedOracle {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.0.set_classes(names, templates)
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        ORACLE.time(|| self.0.judge(images))
    }
}

struct TimedTarget(Box<dyn Target>);

impl Target for TimedTarget {
    fn spec(&self) -> &TargetSpec {
        self.0.spec()
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        TARGET.time(|| self.0.logits(images))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, pull_back) = TARGET.time(|| self.0.logits_with_pullback(images))?;
        Ok((logits, Box::new(|gradient| PULL_TARGET.time(|| pull_back(gradient)))))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a = Arguments::parse();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes = if a.lanes == 0 { threads.min(a.images.max(1)) } else { a.lanes };
    let batch = if a.batch == 0 { a.images.div_ceil(lanes).clamp(1, 4) } else { a.batch };
    let Models { generator, oracle, target } = match &a.plugins {
        None => Models::linked(a.scenario, a.seed, device(&a.device)?)?,
        Some(folder) => Models::loaded(a.scenario, a.seed, folder)?,
    };
    let (generator, mut oracle, target) =
        (TimedGenerator { inner: generator, spare: a.spare }, TimedOracle(oracle), TimedTarget(target));
    let classes: Vec<String> = (0..target.spec().classes).map(|i| i.to_string()).collect();
    oracle.set_classes(&classes, &["an image of {class}".to_owned()])?;
    // Any probability will do: every image is kept alive.
    let rule = VerdictSettings { rule: VerdictRule::Probability, tau: 0.0, ..VerdictSettings::default() };
    let verdict = Verdict::new(rule, &classes);
    let [c, h, w] = generator.spec().image;
    let samples = |positions: &[usize]| -> Result<SampleBatch, PerturbError> {
        Ok(SampleBatch {
            images: Array4::from_elem((positions.len(), c, h, w), 0.5),
            pictures: Vec::new(),
            labels: positions.iter().map(|i| i % classes.len()).collect(),
            indices: positions.to_vec(),
            keys: positions.iter().map(usize::to_string).collect(),
            seeds: vec![0; positions.len()],
        })
    };
    let mask: Option<Vec<f32>> = a.kept.map(|percent| {
        let mut random = ChaCha8Rng::seed_from_u64(a.seed + 3);
        let keep = |_| f32::from(u8::from(random.random_range(0.0..100.0) < percent));
        (0..generator.spec().latent_len()).map(keep).collect()
    });
    let run = |iterations: usize| -> Result<(usize, Effort), PerturbError> {
        let search = SearchSettings { budget: iterations, step_size: a.step_size, ..SearchSettings::default() };
        let perturber = Perturber {
            generator: &generator,
            oracle: &oracle,
            target: &target,
            scorer: &CrossEntropy,
            search: &search,
            verdict: &verdict,
            classes: classes.len(),
            mask: mask.as_deref(),
            observer: &(),
            cache: None,
        };
        let workers = Workers {
            threads: lanes,
            batch,
            enter: &|| run_serially_on_this_thread(lanes > 1),
            go_on: &|| true,
            tick: &|| {},
        };
        let positions: Vec<usize> = (0..a.images).collect();
        let (mut updates, mut records) = (0, Vec::new());
        workers.run(&perturber, &positions, &samples, |batch| {
            updates += batch.iter().map(|sample| sample.record.accepted_updates).sum::<usize>();
            records.extend(batch.into_iter().map(|sample| sample.record));
            Ok::<_, PerturbError>(())
        })?;
        Ok((updates, Effort::of(&records)))
    };
    run(1)?;
    let timers = [
        ("decode", &DECODE),
        ("quantize", &QUANTIZE),
        ("oracle", &ORACLE),
        ("target", &TARGET),
        ("pull_back_generator", &PULL_GENERATOR),
        ("pull_back_target", &PULL_TARGET),
    ];
    timers.iter().for_each(|(_, timer)| timer.0.store(0, Ordering::Relaxed));
    let begin = Instant::now();
    let (done, effort) = run(a.iterations)?;
    let seconds = begin.elapsed().as_secs_f64();
    let n = a.images * a.iterations;
    if done != n {
        return Err(format!("{done} of {n} image-iterations were done: some image was not kept alive").into());
    }
    let busy = seconds * 1e9 * lanes as f64;
    let fraction = |timer: &Timer| (timer.0.load(Ordering::Relaxed) as f64 / busy * 1e4).round() / 1e4;
    let mut fractions: serde_json::Map<_, _> =
        timers.iter().map(|(name, timer)| ((*name).to_owned(), fraction(timer).into())).collect();
    // Latents are drawn here; the loop proper never encodes.
    fractions.insert("encode".to_owned(), 0.0.into());
    let round = |value: f64, digits: i32| (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
    let line = serde_json::json!({
        "peer": "fmr",
        "scenario": format!("{:?}", a.scenario).to_lowercase(),
        "style": if a.plugins.is_some() { "plugins" } else { "best" },
        "device": a.device,
        "images": a.images,
        "batch": batch,
        "lanes": lanes,
        "channels_last": false,
        "iterations": a.iterations,
        "kept_percent": a.kept,
        "spare": a.spare,
        "unchanged": effort.unchanged,
        "threads": threads,
        "seconds": round(seconds, 4),
        "seconds_per_image_iteration": round(seconds / n as f64, 6),
        "image_iterations_per_second": round(n as f64 / seconds, 4),
        "peak_rss_mib": peak_rss_mib(),
        "fmr": env!("CARGO_PKG_VERSION"),
        "fractions": fractions,
    });
    println!("{line}");
    Ok(())
}

/// Peak resident memory, where the system tells.
fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

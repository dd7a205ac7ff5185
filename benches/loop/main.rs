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
//! Prints one JSON line per round. `fractions` are shares of the threads' time.

mod models;
mod timed;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use fmr_core::metrics::Effort;
use fmr_core::perturb::{PerturbError, Perturber, SampleBatch, SearchSettings, Workers};
use fmr_core::scorer::CrossEntropy;
use fmr_core::verdict::{Verdict, VerdictRule, VerdictSettings};
use fmr_core::{Generator as _, Oracle as _, Target as _};
use fmr_nn::device::device;
use fmr_nn::kernels::parallel::run_serially_on_this_thread;
use fmr_nn::kernels::simd::isa;
use models::Models;
use ndarray::Array4;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timed::{TimedGenerator, TimedOracle, TimedTarget, Timer};

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
    /// Times to repeat the run, with one line per round: many rounds show whether speed and memory stay constant.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Updates that change no codebook vector cost no decode.
    #[arg(long)]
    spare: bool,
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
            spread: None,
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
        ("decode", &timed::DECODE),
        ("quantize", &timed::QUANTIZE),
        ("oracle", &timed::ORACLE),
        ("target", &timed::TARGET),
        ("pull_back_generator", &timed::PULL_GENERATOR),
        ("pull_back_target", &timed::PULL_TARGET),
    ];
    for round in 0..a.rounds {
        timers.iter().for_each(|(_, timer)| timer.reset());
        let begin = Instant::now();
        let (done, effort) = run(a.iterations)?;
        let seconds = begin.elapsed().as_secs_f64();
        let n = a.images * a.iterations;
        if done != n {
            return Err(format!("{done} of {n} image-iterations were done: some image was not kept alive").into());
        }
        let busy = seconds * 1e9 * lanes as f64;
        let fraction = |timer: &Timer| (timer.nanoseconds() as f64 / busy * 1e4).round() / 1e4;
        let mut fractions: serde_json::Map<_, _> =
            timers.iter().map(|(name, timer)| ((*name).to_owned(), fraction(timer).into())).collect();
        // Latents are drawn here; the loop proper never encodes.
        fractions.insert("encode".to_owned(), 0.0.into());
        let rounded = |value: f64, digits: i32| (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
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
            "seconds": rounded(seconds, 4),
            "seconds_per_image_iteration": rounded(seconds / n as f64, 6),
            "image_iterations_per_second": rounded(n as f64 / seconds, 4),
            "round": round,
            "isa": format!("{:?}", isa()).to_lowercase(),
            "rss_mib": memory_mib("VmRSS:"),
            "peak_rss_mib": memory_mib("VmHWM:"),
            "fmr": env!("CARGO_PKG_VERSION"),
            "fractions": fractions,
        });
        println!("{line}");
    }
    Ok(())
}

/// A line of the process's memory, where the system tells: `VmRSS:` is its present size, `VmHWM:` its largest.
fn memory_mib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

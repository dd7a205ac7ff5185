//! Speed of the classifiers, to be held against a PyTorch script that does the same work:
//! `cargo run --release --example bench_targets -- --models vit_base_patch16_224 --batch 1 4`
//!
//! One unit of work is what the perturbation loop asks of a target for one image: logits, and a gradient of them pulled
//! back to the image. Weights are random (seeded) and frozen. Prints one JSON line for each model and batch: images a
//! second of wall time in the fastest of the rounds, and the threads' seconds for an image.

use std::error::Error;
use std::time::Instant;

use clap::Parser;
use fmr_core::Target as _;
use fmr_nn::device::device;
use fmr_nn::kernels::simd::isa;
use fmr_zoo::{Classifier, entry};
use ndarray::Array4;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The ImageNet rows of Table 1 and the robust model of Table 15.
const MODELS: [&str; 9] = [
    "resnet50",
    "vit_base_patch16_224",
    "deit_base_patch16_224",
    "twins_svt_base",
    "visformer_small",
    "swin_base_patch4_window7_224",
    "convnext_tiny",
    "xcit_large_12_p16_224",
    "tf_efficientnet_lite0",
];

#[derive(Parser)]
struct Arguments {
    /// Models that `fmr models` lists.
    #[arg(long, num_args = 1.., default_values_t = MODELS.map(str::to_owned))]
    models: Vec<String>,
    #[arg(long, num_args = 1.., default_values_t = [1, 4])]
    batch: Vec<usize>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Least time of a round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    for name in &arguments.models {
        let entry = entry(name).ok_or_else(|| format!("there is no model {name:?}"))?;
        let target = Classifier::random(entry, 0, device(&arguments.device)?);
        for &batch in &arguments.batch {
            let [c, h, w] = entry.preprocess.input;
            let images = Array4::from_shape_fn((batch, c, h, w), |(n, c, y, x)| {
                ((n * 31 + c * 17 + y * 7 + x * 3) % 97) as f32 / 96.0
            });
            let unit = || -> Result<(), Box<dyn Error>> {
                let (logits, pull_back) = target.logits_with_pullback(images.view())?;
                pull_back(logits.view())?;
                Ok(())
            };
            unit()?;
            let (mut best, mut spent) = (0.0_f64, None);
            for _ in 0..arguments.rounds {
                let (start, before, mut done) = (Instant::now(), cpu_seconds(), 0);
                while start.elapsed().as_secs_f64() < arguments.seconds {
                    unit()?;
                    done += batch;
                }
                best = best.max(done as f64 / start.elapsed().as_secs_f64());
                let cpu = cpu_seconds().zip(before).map(|(after, before)| (after - before) / done as f64);
                spent = match (spent, cpu) {
                    (Some(spent), Some(cpu)) => Some(f64::min(spent, cpu)),
                    (spent, cpu) => spent.or(cpu),
                };
            }
            let line = serde_json::json!({
                "model": name, "batch": batch, "device": arguments.device, "isa": format!("{:?}", isa()),
                "images_per_second": (best * 1000.0).round() / 1000.0,
                "cpu_seconds_per_image": spent,
            });
            println!("{line}");
        }
    }
    Ok(())
}

/// Seconds that this process has spent on processors, where the system tells it.
fn cpu_seconds() -> Option<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |i: usize| fields.split_whitespace().nth(i)?.parse::<f64>().ok();
    Some((field(11)? + field(12)?) / TICKS)
}

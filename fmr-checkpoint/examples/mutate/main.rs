//! Mutated checkpoints: no input may panic, and what an input costs must be linear in its length.
//!
//! ```console
//! cargo run --release -p fmr-checkpoint --example mutate -- --inputs 1000000 --seed 7 --out failures
//! ```
//!
//! Every input is made from the seed and its number alone, so that a failure happens again. The input that failed is
//! written to the folder `--out`, by default the current one.

mod exercise;
mod inputs;
mod pickles;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared with the tests")]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use exercise::{Bench, Verdict};
use inputs::Maker;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

struct Arguments {
    inputs: u64,
    seed: u64,
    /// The only input to run, to look into a failure.
    only: Option<u64>,
    out: PathBuf,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { inputs: 100_000, seed: 1, only: None, out: PathBuf::from(".") };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value} is not a number"));
        match word.as_str() {
            "--inputs" => parsed.inputs = number()?,
            "--seed" => parsed.seed = number()?,
            "--only" => parsed.only = Some(number()?),
            "--out" => parsed.out = value.into(),
            _ => return Err(format!("{word} is not known; there are --inputs, --seed, --only and --out")),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| campaign(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn campaign(arguments: &Arguments) -> Result<(), String> {
    // A panic is reported with its input; the default message would drown the report.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let maker = Maker::new();
    let mut bench = Bench::new(&MEMORY)?;
    let numbers = match arguments.only {
        Some(number) => number..number + 1,
        None => 0..arguments.inputs,
    };
    let (mut listed, mut bytes) = (0u64, 0u64);
    for number in numbers.clone() {
        // The golden ratio spreads consecutive numbers over all seeds.
        let seed = arguments.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let input = maker.make(&mut ChaCha8Rng::seed_from_u64(seed));
        bytes += input.bytes.len() as u64;
        match bench.run(&input) {
            Verdict::Listed => listed += 1,
            Verdict::Refused => {}
            Verdict::Failed(problem) => {
                let path = arguments.out.join(format!("mutate-{}-{number}.bin", arguments.seed));
                let kept = match std::fs::write(&path, &input.bytes) {
                    Ok(()) => format!("the input is in {}", path.display()),
                    Err(error) => format!("the input cannot be written to {}: {error}", path.display()),
                };
                return Err(format!(
                    "input {number} of seed {}, {} of {} bytes: {problem}; {kept}",
                    arguments.seed,
                    input.kind,
                    input.bytes.len()
                ));
            }
        }
    }
    let count = numbers.end - numbers.start;
    println!("{count} inputs of {bytes} bytes, {listed} listed tensors, {} s", start.elapsed().as_secs());
    println!("{}", bench.worst());
    Ok(())
}

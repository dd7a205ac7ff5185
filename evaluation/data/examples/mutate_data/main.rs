//! Mutated pictures, tars and idx files: no input may panic, hang, fill memory or draw on the terminal.
//!
//! ```console
//! cargo run --release -p fmr-data --example mutate_data -- --inputs 1000000 --seed 7 --out failures
//! ```
//!
//! Every input is made from the seed and its number alone, so that a failure happens again: `--only NUMBER` runs that one.
//! The input that failed is written to the folder `--out`, by default the current one.

mod campaign;

use std::path::PathBuf;
use std::process::ExitCode;

use campaign::{Bench, Maker};

/// Bytes that any input may take on the heap: the workspace of a decoder, and pixels within the limit.
const MOST_MEMORY: usize = 96 << 20;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

struct Arguments {
    inputs: u64,
    seed: u64,
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
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    // A panic is reported with its input; the default message would drown the report.
    std::panic::set_hook(Box::new(|_| {}));
    let text = |error: std::io::Error| error.to_string();
    let (maker, mut bench) = (Maker::new().map_err(text)?, Bench::new().map_err(text)?);
    let numbers = arguments.only.map_or(0..arguments.inputs, |number| number..number + 1);
    let (mut read, mut most) = (0_u64, 0);
    for number in numbers.clone() {
        let input = maker.make(arguments.seed, number);
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let outcome = bench.run(&input);
        let used = MEMORY.peak_usage().saturating_sub(before);
        most = most.max(used);
        let problem = match outcome {
            Ok(_) if used > MOST_MEMORY => format!("takes {used} bytes"),
            Ok(images) => {
                read += u64::from(images.is_some());
                continue;
            }
            Err(problem) => problem,
        };
        let path = arguments.out.join(format!("mutate-{}-{number}.bin", arguments.seed));
        let kept = Bench::keep(&input, &path).map_or_else(|e| e.to_string(), |()| path.display().to_string());
        let (seed, kind, length) = (arguments.seed, input.kind, input.bytes.len());
        return Err(format!("input {number} of seed {seed}, a {kind} of {length} bytes, {problem}; it is in {kept}"));
    }
    println!("{} inputs, {read} read, slowest {:?}, at most {most} bytes", numbers.end - numbers.start, bench.slowest);
    Ok(())
}

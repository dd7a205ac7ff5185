//! Runs campaigns of mutated files.
//!
//! ```console
//! cargo run --release -p fmr-mutate -- --inputs 1000000 --seed 7 --kind checkpoint --out failures
//! ```
//!
//! The input that failed is written to the folder `--out`; `--only NUMBER` runs one input again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fmr_mutate::{Campaign, Reader, readers};

#[derive(Parser)]
#[command(about = "Mutated files against everything that fmr reads", version)]
struct Arguments {
    /// Inputs of each kind
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    /// Seed of the inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kind of files; may be repeated [default: all kinds]
    #[arg(long)]
    kind: Vec<String>,
    /// The only input to read, to look into a failure
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Folder for an input that fails
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let readers = readers().map_err(|error| format!("the inputs cannot be made: {error}"))?;
    let names: Vec<&str> = readers.iter().map(|reader| reader.name()).collect();
    if let Some(unknown) = arguments.kind.iter().find(|kind| !names.contains(&kind.as_str())) {
        return Err(format!("there is no kind {unknown:?}; the kinds are {}", names.join(", ")));
    }
    // A panic is reported with its input; the default message would drown the report.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted = |name: &str| arguments.kind.is_empty() || arguments.kind.iter().any(|kind| kind == name);
    for reader in readers.iter().filter(|reader| wanted(reader.name())) {
        campaign(&**reader, arguments)?;
    }
    Ok(())
}

fn campaign(reader: &dyn Reader, arguments: &Arguments) -> Result<(), String> {
    let start = Instant::now();
    let mut campaign = Campaign::new(reader, arguments.seed);
    let numbers = arguments.only.map_or(0..arguments.inputs, |number| number..number + 1);
    for number in numbers {
        campaign.run(number).map_err(|failure| {
            let kept = match failure.keep(&arguments.out) {
                Ok(path) => format!("the input is in {}", path.display()),
                Err(error) => format!("the input cannot be written to {}: {error}", arguments.out.display()),
            };
            format!("{}: {failure}; {kept}", reader.name())
        })?;
    }
    println!("{}: {}; {} s", reader.name(), campaign.figures(), start.elapsed().as_secs());
    Ok(())
}

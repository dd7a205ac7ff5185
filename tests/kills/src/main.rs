//! Kills the command at random moments, lets it finish, and compares everything with an undisturbed process.
//!
//! ```console
//! cargo run --release -p fmr-kills -- --kills 200 --seed 7
//! ```
//!
//! The folder of a job that ends in something else is kept, and its path is printed.

mod jobs;
mod results;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use jobs::{Job, all};
use results::{Results, difference};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set for a process that is the command `fmr`.
const IS_COMMAND: &str = "FMR_KILLS_COMMAND";
/// Kills of one piece of work before it may finish.
const MOST_KILLS: usize = 4;

#[derive(Parser)]
#[command(about = "Kills the command at random moments and compares with undisturbed work", version)]
struct Arguments {
    /// Processes to kill
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// Seed of the moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kind of work; may be repeated [default: all kinds]
    #[arg(long)]
    job: Vec<String>,
    /// Folder to work in, which must be empty or absent [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::var_os(IS_COMMAND).is_some() {
        return fmr_cli::main();
    }
    match campaign(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Undisturbed work, and how long it takes.
struct Whole<'j> {
    job: &'j dyn Job,
    results: Results,
    took: Duration,
}

fn campaign(arguments: &Arguments) -> Result<(), String> {
    let jobs = all();
    let names: Vec<&str> = jobs.iter().map(|job| job.name()).collect();
    if let Some(unknown) = arguments.job.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("there is no job {unknown:?}; the jobs are {}", names.join(", ")));
    }
    let home = match &arguments.out {
        Some(folder) => folder.clone(),
        None => tempfile::tempdir().map_err(told)?.keep(),
    };
    let wanted = |job: &dyn Job| arguments.job.is_empty() || arguments.job.iter().any(|name| name == job.name());
    println!("seed {}, in {}", arguments.seed, home.display());
    let mut whole = Vec::new();
    for job in jobs.iter().map(|job| &**job).filter(|job| wanted(*job)) {
        whole.push(undisturbed(job, &home.join(job.name()).join("whole"))?);
    }
    let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
    let mut kills = vec![0; whole.len()];
    let mut tries = 0;
    while kills.iter().sum::<usize>() < arguments.kills {
        if tries > 4 * arguments.kills + 8 * whole.len() {
            return Err(format!("only {kills:?} kills came in time: the work is too short"));
        }
        let (at, number) = (tries % whole.len(), tries / whole.len());
        let left = arguments.kills - kills.iter().sum::<usize>();
        let folder = home.join(whole[at].job.name()).join(number.to_string());
        kills[at] += disturbed(&whole[at], &folder, &mut random, left.min(MOST_KILLS)).map_err(|problem| {
            format!("{}: {problem}\nseed {}, in {}", whole[at].job.name(), arguments.seed, folder.display())
        })?;
        std::fs::remove_dir_all(&folder).map_err(told)?;
        tries += 1;
    }
    for (whole, kills) in whole.iter().zip(kills) {
        let (parts, ms) = (whole.results.len(), whole.took.as_millis());
        println!("{}: {kills} kills, {parts} results equal each time; undisturbed in {ms} ms", whole.job.name());
    }
    std::fs::remove_dir_all(&home).map_err(told)
}

fn undisturbed<'j>(job: &'j dyn Job, folder: &Path) -> Result<Whole<'j>, String> {
    std::fs::create_dir_all(folder).map_err(told)?;
    job.prepare(folder)?;
    let start = Instant::now();
    finish(job, folder)?;
    let took = start.elapsed();
    let results = job.results(folder)?;
    if results.is_empty() {
        return Err(format!("{} has no results", job.name()));
    }
    Ok(Whole { job, results, took })
}

/// Does the work once with up to `most` kills; gives how many processes died of one.
fn disturbed(whole: &Whole<'_>, folder: &Path, random: &mut ChaCha8Rng, most: usize) -> Result<usize, String> {
    std::fs::create_dir_all(folder).map_err(told)?;
    whole.job.prepare(folder)?;
    let mut kills = 0;
    for _ in 0..random.random_range(1..=most) {
        let moment = whole.took.mul_f64(random.random_range(0.0..1.0));
        if !killed(whole.job, folder, moment)? {
            break;
        }
        kills += 1;
        whole.job.check(folder).map_err(|problem| format!("after kill {kills}: {problem}"))?;
    }
    finish(whole.job, folder)?;
    match difference(&whole.results, &whole.job.results(folder)?) {
        Some(difference) => Err(format!("after {kills} kills: {difference}")),
        None => Ok(kills),
    }
}

fn command(job: &dyn Job, folder: &Path) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(told)?);
    command.args(job.arguments(folder)).current_dir(folder).env(IS_COMMAND, "1").env_remove("FMR_LOG");
    command.stdout(Stdio::null()).stdin(Stdio::null());
    Ok(command)
}

/// Starts the work and kills it some time later; `false` where it ended before.
fn killed(job: &dyn Job, folder: &Path, moment: Duration) -> Result<bool, String> {
    let mut process = command(job, folder)?.stderr(Stdio::null()).spawn().map_err(told)?;
    let start = Instant::now();
    while start.elapsed() < moment {
        if let Some(status) = process.try_wait().map_err(told)? {
            return if status.success() { Ok(false) } else { Err(format!("it ended by itself: {status}")) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL on Unix.
    process.kill().map_err(told)?;
    Ok(!process.wait().map_err(told)?.success())
}

/// Lets the work end.
fn finish(job: &dyn Job, folder: &Path) -> Result<(), String> {
    let output = command(job, folder)?.output().map_err(told)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{:?} ended with {}: {}",
        job.arguments(folder),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn told(error: std::io::Error) -> String {
    error.to_string()
}

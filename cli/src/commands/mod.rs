//! The subcommands, one module each.

mod check;
mod compare;
mod experiments;
mod export;
mod fetch;
mod inspect;
mod launch;
mod leaderboard;
mod mask;
mod merge;
mod models;
mod plan;
mod plugin;
mod prepare;
mod report;
mod reproduce;
mod resume;
mod run;
mod score;
mod serve;
mod shared;
mod train;
mod transfer;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::failure;
pub(crate) use run::run_file;

/// Measure how robust an image classifier is, as a foundation model sees it
#[derive(Parser)]
#[command(name = "fmr", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment file and print its table
    Run(run::Arguments),
    /// Resume a run that was stopped or killed
    Resume(resume::Arguments),
    /// Do once what all shards of a run share: fill the cache, learn masks
    Prepare(prepare::Arguments),
    /// Write or submit the jobs that do an experiment in shards on a cluster
    Launch(launch::Arguments),
    /// Make one run of the shards that `fmr run --shard` did
    Merge(merge::Arguments),
    /// Print the table of a run and rewrite its report
    Report(report::Arguments),
    /// Compare the targets of a run, or of several, image by image: which is better, and how sure is that
    Compare(compare::Arguments),
    /// Check an experiment file, its data, weights and class names, without running it
    Check(check::Arguments),
    /// Download the published files that an experiment or a model needs
    Fetch(fetch::Arguments),
    /// List the experiment files of a folder: which rows can run here, what the others lack, and the cost
    Experiments(experiments::Arguments),
    /// Estimate the cost of an experiment and the width of its intervals
    Plan(plan::Arguments),
    /// Show the images of a run to further targets
    Transfer(transfer::Arguments),
    /// Export the samples and images of a run in open formats, as a static benchmark or as a training set
    Export(export::Arguments),
    /// Evaluate targets on a static benchmark
    Score(score::Arguments),
    /// Show runs in a browser: tables, images, comparisons, progress
    Serve(serve::Arguments),
    /// Merge runs into one ranking for each setting, as a page
    Leaderboard(leaderboard::Arguments),
    /// Test the conclusions of the paper on runs
    Reproduce(reproduce::Arguments),
    /// Train a model from a recipe
    Train(train::Arguments),
    /// Describe a checkpoint: family, layout, sizes and keys
    Inspect(inspect::Arguments),
    /// List the models that can be loaded, with their published files
    Models,
    /// Learn or show a sparse mask: which latent values the perturbation moves
    Mask(mask::Arguments),
    /// List, check or scaffold plugins
    Plugin(plugin::Arguments),
}

/// Runs the command line. The exit code is 0, 1 for errors, 2 for a wrong command line, 3 if too many samples failed, 75 if the
/// same command may succeed later, 130 if the user stopped the run.
pub fn main() -> ExitCode {
    main_of(std::env::args_os())
}

/// The same for these arguments, of which the first is the command itself.
pub fn main_of(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let filter = EnvFilter::try_from_env("FMR_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // A program that the command is part of may log elsewhere already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init();
    let arguments = Arguments::parse_from(arguments);
    let out = &mut std::io::stdout().lock();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, out),
        Command::Resume(arguments) => resume::run(&arguments, out),
        Command::Prepare(arguments) => prepare::run(&arguments, out),
        Command::Launch(arguments) => launch::run(&arguments, out),
        Command::Merge(arguments) => merge::run(&arguments, out),
        Command::Report(arguments) => report::run(&arguments, out),
        Command::Compare(arguments) => compare::run(&arguments, out),
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Fetch(arguments) => fetch::run(&arguments, out),
        Command::Experiments(arguments) => experiments::run(&arguments, out),
        Command::Plan(arguments) => plan::run(&arguments, out),
        Command::Transfer(arguments) => transfer::run(&arguments, out),
        Command::Export(arguments) => export::run(&arguments, out),
        Command::Score(arguments) => score::run(&arguments, out),
        Command::Serve(arguments) => serve::run(&arguments, out),
        Command::Leaderboard(arguments) => leaderboard::run(&arguments, out),
        Command::Reproduce(arguments) => reproduce::run(&arguments, out),
        Command::Train(arguments) => train::run(&arguments, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
        Command::Models => models::run(out),
        Command::Mask(arguments) => mask::run(&arguments, out),
        Command::Plugin(arguments) => plugin::run(&arguments, out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::show(error),
    }
}

//! `fmr export RUN`, `fmr export --site DIR RUN…`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::benchmark::{Options, Purpose, Recheck};
use fmr::report::{BENCHMARK, EXPORT, IMAGES, TRAINING};
use fmr::store::RunStore;
use fmr::{Interrupt, benchmark};

use super::serve;
use super::shared::{experiment_of, prepare};
use crate::failure::Failure;
use crate::signals;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run; several for a site
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder that is written: `samples.jsonl`, `samples.csv`, `steps.csv` and the images, or a folder for each row
    /// [default: `export`, `benchmark` or `training` in the run]
    #[arg(long, value_name = "DIR", conflicts_with = "site")]
    out: Option<PathBuf>,
    /// Write the runs as web pages into this folder instead, for any static host and for opening from disk
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Most samples of each row that the site shows
    #[arg(long, value_name = "N", default_value_t = 200, requires = "site")]
    samples: usize,
    /// Write a static benchmark for each row: perturbed images and originals as PNG in class folders, a card, checksums
    #[arg(long, conflicts_with_all = ["train", "site"])]
    benchmark: bool,
    /// Write a perturbed training set for each row: a pair of files for every image of the run
    #[arg(long, conflicts_with = "site")]
    train: bool,
    /// Of a benchmark or training set: only this row; repeatable
    #[arg(long = "row", value_name = "ID")]
    rows: Vec<String>,
    /// Of a benchmark or training set: the licence that its card names, e.g. `CC BY 4.0`
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(site) = &arguments.site {
        for run in &arguments.runs {
            RunStore::read(run)?;
        }
        let files = fmr_web::write_site(&serve::app(arguments.runs.clone()), site, arguments.samples)?;
        writeln!(out, "{}: {files} files", site.join("index.html").display())?;
        return Ok(());
    }
    let [run] = &arguments.runs[..] else {
        let problem = "one run is exported at a time; `--site DIR` writes pages of several".to_owned();
        return Err(Failure::Text(problem));
    };
    let store = RunStore::read(run)?;
    let purpose = match (arguments.benchmark, arguments.train) {
        (true, _) => Purpose::Evaluation,
        (_, true) => Purpose::Training,
        _ => return tables(arguments, &store, out),
    };
    let name = if arguments.train { TRAINING } else { BENCHMARK };
    let licence = arguments.licence.clone();
    let folder = arguments.out.clone().unwrap_or_else(|| run.join(name));
    pairs(arguments, &store, &folder, &Options { purpose, licence }, out)
}

fn tables(arguments: &Arguments, store: &RunStore, out: &mut dyn Write) -> Result<(), Failure> {
    if !arguments.rows.is_empty() || arguments.licence.is_some() {
        let problem = "--row and --licence belong to --benchmark and --train; add one of these";
        return Err(Failure::Text(problem.to_owned()));
    }
    let folder = arguments.out.clone().unwrap_or_else(|| store.dir().join(EXPORT));
    let results = store.results()?;
    let mut written = store.export_tables(&results, &folder)?;
    written.extend(store.export_images(&results, &folder.join(IMAGES))?);
    for path in written {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// Writes a folder for each row, says what rounding changed, and prints the folders' names.
fn pairs(
    arguments: &Arguments,
    store: &RunStore,
    folder: &Path,
    options: &Options,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let known: Vec<&str> = store.plan().rows.iter().map(|row| row.id.as_str()).collect();
    if let Some(row) = arguments.rows.iter().find(|row| !known.contains(&row.as_str())) {
        return Err(Failure::Text(format!("the run has no row {row:?}; its rows are {}", known.join(", "))));
    }
    let interrupt = Interrupt::default();
    let prepared = prepare(experiment_of(store)?, &interrupt)?;
    signals::listen(&interrupt);
    let wanted = |id: &String| arguments.rows.is_empty() || arguments.rows.contains(id);
    let rows: Vec<_> = prepared.ready().filter(|row| known.contains(&&*row.plan.id) && wanted(&row.plan.id)).collect();
    if rows.is_empty() {
        return Err(Failure::Text("no row of the run can be checked again here: files are missing".to_owned()));
    }
    for row in rows {
        let place = folder.join(row.plan.file_name());
        let exported = benchmark::export(&prepared, row, store, &place, options, &interrupt)?;
        let Recheck { produced, refused, prediction_changed, .. } = exported.card.recheck;
        writeln!(
            out,
            "{}: {} images of {}; rounding to 8 bits changed the oracle's verdict on {refused} and the target's class on \
             {prediction_changed} of {produced} images",
            row.plan.id, exported.card.images, exported.card.run_images
        )?;
        writeln!(out, "{}", exported.dir.display())?;
    }
    Ok(())
}

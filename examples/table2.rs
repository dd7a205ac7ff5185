//! Table 2 of the paper, models hardened against corruptions, small and offline: `cargo run --release --example table2`.
//!
//! First SA*, the accuracy on corrupted images: of the small models on CIFAR-10 images that are corrupted here, of the others on the
//! folders of ImageNet-C. Then the table. `-- --quick` takes a few images, `-- --full` all embedded images.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fmr::core::metrics::Interval;
use fmr::data::{Corruption, CorruptionKind, Samples};
use fmr::experiment::{Changes, Experiment};
use fmr::plain::{corrupted_folders, corrupted_samples, right};
use fmr::report::{Cell, Column, Figure, Grid, Row, WIDTH};
use fmr::{Error, Prepared, PreparedRow, ReadyRow, prepare, registry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table2.toml");
const PAPER: &str = include_str!("../experiments/paper/table02.tsv");

/// The data table of ImageNet-C, for rows on ImageNet.
const IMAGENET_C: (&str, &str) = ("imagenet-c", "imagenet");

/// The corruptions that SA* is the mean over where the images are corrupted here.
const KINDS: [CorruptionKind; 4] =
    [CorruptionKind::GaussianNoise, CorruptionKind::GaussianBlur, CorruptionKind::Contrast, CorruptionKind::Brightness];

fn main() -> ExitCode {
    match corrupted() {
        Ok(grid) => {
            println!("{}\n\n{}\n", grid.title, grid.to_text(WIDTH));
            fmr_cli::table(FILE.as_ref())
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A corruption of a row's images at one severity, and whether the row's target is right on each.
struct Seen {
    corruption: String,
    severity: u8,
    right: Vec<bool>,
}

fn corrupted() -> Result<Grid, Error> {
    let profile = std::env::args().nth(1).map(|argument| argument.trim_start_matches("--").to_owned());
    let experiment = Experiment::read(Path::new(FILE), &Changes { profile, ..Changes::default() })?;
    let prepared = prepare(experiment, &registry())?;
    let mut grid = Grid::new("corrupted", "Table 2, SA*: accuracy on corrupted images, without a search")
        .labels(["model", "corruption"]);
    grid.columns =
        (1..=Corruption::MOST).map(|severity| Column::percent(&severity.to_string(), &severity.to_string())).collect();
    grid.columns.push(
        Column::percent("all", "all")
            .digits(2)
            .meaning("mean of the severities; in the last line SA*, that of all corruptions"),
    );
    for row in &prepared.rows {
        let row = match row {
            PreparedRow::Ready(row) => row,
            PreparedRow::CannotRun(row, _) => {
                let line = Row::new([row.label.as_str(), "SA*"]);
                grid.rows.push(line.with("all", Cell::missing().paper(paper(&row.label))));
                continue;
            }
        };
        let seen = seen(&prepared, row)?;
        let model = row.settings.label.as_str();
        let mut names: Vec<&str> = seen.iter().map(|seen| seen.corruption.as_str()).collect();
        names.dedup();
        for name in names {
            let of: Vec<&Seen> = seen.iter().filter(|seen| seen.corruption == name).collect();
            let severities = of.iter().map(|seen| (seen.severity.to_string(), mean(&[*seen])));
            let cells = severities.chain([("all".to_owned(), mean(&of))]);
            let line = Row::new([model, name]).over(row.samples.len());
            grid.rows.push(cells.fold(line, |line, (column, cell)| line.with(&column, cell)));
        }
        let all: Vec<&Seen> = seen.iter().collect();
        let line = Row::new([model, "SA*"]).over(row.samples.len());
        grid.rows.push(line.with("all", mean(&all).paper(paper(model))));
    }
    grid.caption.worlds =
        vec!["Small world: small models trained by this project. Not the paper's setting.".to_owned()];
    grid.caption.remarks = vec![
        "Severities from 1 to 5. CIFAR-10's images are corrupted here; ImageNet's are the folders of ImageNet-C."
            .to_owned(),
        "Models with – are not here; the next table says what to get.".to_owned(),
    ];
    grid.caption.confidence = Some(prepared.experiment.metrics.confidence);
    Ok(grid)
}

/// What the row's target sees of corrupted images.
fn seen(prepared: &Prepared, row: &ReadyRow) -> Result<Vec<Seen>, Error> {
    let experiment = &prepared.experiment;
    let mut all = Vec::new();
    let (folders, data) = IMAGENET_C;
    if row.settings.data == data {
        for folder in corrupted_folders(experiment, folders) {
            let right = right(row, &corrupted_samples(experiment, folders, &folder)?)?;
            all.push(Seen { corruption: folder.corruption, severity: folder.severity, right });
        }
        return Ok(all);
    }
    let table = &experiment.data[&row.settings.data];
    for kind in KINDS {
        for severity in 1..=Corruption::MOST {
            let data = row.samples.data().corrupted(Corruption { kind, severity })?;
            let samples = Samples::new(Arc::new(data), table.resolution, table.resize, experiment.run.seed);
            let samples =
                samples.map_err(|error| Error::Images { row: row.plan.id.clone(), problem: error.to_string() })?;
            all.push(Seen { corruption: kind.name().to_owned(), severity, right: right(row, &samples)? });
        }
    }
    Ok(all)
}

/// The mean accuracy. Its interval counts an image once, however often it was corrupted.
fn mean(seen: &[&Seen]) -> Cell {
    let images = seen.iter().map(|seen| seen.right.len()).min().unwrap_or(0);
    let share = |i: usize| seen.iter().filter(|seen| seen.right[i]).count() as f64 / seen.len() as f64;
    let shares: Vec<f64> = (0..images).map(share).collect();
    if let [only] = seen {
        return Cell::share(only.right.iter().filter(|right| **right).count(), images, 0.95).without_interval();
    }
    let mean = shares.iter().sum::<f64>() / images as f64;
    let limited = |interval: Interval| Interval { lo: interval.lo.max(0.0), hi: interval.hi.min(1.0) };
    let interval = Interval::of_mean(&shares, 0.95).map(limited);
    Figure { value: Some(mean), interval, n: Some(images), hits: None }.into()
}

/// SA* as the paper prints it.
fn paper(model: &str) -> Option<String> {
    let line = PAPER.lines().find(|line| line.split('\t').next() == Some(model))?;
    line.split('\t').nth(2).map(str::to_owned)
}

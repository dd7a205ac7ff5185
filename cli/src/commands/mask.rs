//! `fmr mask learn EXPERIMENT`, `fmr mask show MASK`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fmr::experiment::{Changes, Experiment};
use fmr::mask::{Learned, Mask, MaskError};
use fmr::report::mask_art::{self, STRIP_STEPS};
use fmr::{Interrupt, Prepared, ReadyRow, Runner};

use super::shared::{ExperimentArguments, prepare};
use crate::failure::Failure;
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learn the masks of an experiment's rows and write them to files
    Learn(Learn),
    /// Show which values a mask keeps, and draw it
    Show(Show),
}

#[derive(Args)]
struct Learn {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Folder for the masks and their pictures
    #[arg(long, value_name = "DIR", default_value = "masks")]
    out: PathBuf,
    /// Learn only the mask of this row
    #[arg(long, value_name = "ID")]
    row: Option<String>,
}

#[derive(Args)]
struct Show {
    /// File of the mask
    mask: PathBuf,
    /// Experiment file whose generator draws the strip [default: the one that the mask names]
    experiment: Option<PathBuf>,
    /// Row of the experiment whose images and generator to use [default: the first that fits]
    #[arg(long, value_name = "ID")]
    row: Option<String>,
    /// Number of images in the strip
    #[arg(long, value_name = "N", default_value_t = 8)]
    images: usize,
    /// Folder for the pictures [default: the mask's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Images whose latents tell how far a latent value usually goes.
const SPREAD_OVER: usize = 64;

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match &arguments.command {
        Command::Learn(arguments) => learn(arguments, out),
        Command::Show(arguments) => show(arguments, out),
    }
}

fn learn(arguments: &Learn, out: &mut dyn Write) -> Result<(), Failure> {
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = arguments.experiment.prepare(&runner.interrupt)?;
    let file = prepared.experiment.file().to_owned();
    let learns = |row: &&ReadyRow| row.mask.as_ref().is_some_and(|mask| mask.learns().is_some());
    let wanted = |row: &&ReadyRow| arguments.row.as_ref().is_none_or(|id| *id == row.settings.id);
    let rows: Vec<&ReadyRow> = prepared.ready().filter(learns).filter(wanted).collect();
    if rows.is_empty() {
        let row = arguments.row.as_ref().map_or_else(String::new, |row| format!(" {row:?}"));
        return Err(Failure::Text(format!("no row{row} of {} that can run here learns a mask", file.display())));
    }
    signals::listen(&runner.interrupt);
    for row in rows {
        let Some(found) = runner.learn(&prepared, row)? else { return Err(Failure::Stopped) };
        let mut mask = found.learned.mask.clone();
        mask.origin.experiment = std::path::absolute(&file).ok();
        let path = arguments.out.join(format!("{}.mask", row.plan.file_name()));
        let picture = fmr::save_mask(&mask, &path).map_err(text)?;
        writeln!(out, "{}\n{mask}", row.plan.title)?;
        writeln!(out, "learned in  {:.1} s from {} images", found.seconds, found.images)?;
        write_path(&found.learned, out)?;
        writeln!(out, "{}\n{}\n", path.display(), picture.display())?;
    }
    Ok(())
}

/// The path over falling penalties and the held-out losses, where they were asked for.
fn write_path(learned: &Learned, out: &mut dyn Write) -> std::io::Result<()> {
    if !learned.path.is_empty() {
        writeln!(out, "path: share of the largest penalty, columns kept, sparsity %, test score %, gap")?;
    }
    for fit in &learned.path {
        let (share, gap) = (fit.penalty / fit.penalty_max, fit.optimality.gap);
        writeln!(out, "  {share:.4}  {:>6}  {:6.2}  {:6.2}  {gap:.0e}", fit.kept, fit.sparsity(), fit.test_score())?;
    }
    if !learned.cross_validation.is_empty() {
        writeln!(out, "cross-validation: share of the largest penalty, held-out loss a row, its standard error")?;
    }
    for point in &learned.cross_validation {
        writeln!(out, "  {:.4}  {:.4}  {:.4}", point.share, point.mean, point.error)?;
    }
    Ok(())
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Failure> {
    let mask = Mask::load(&arguments.mask).map_err(text)?;
    // Whatever is wrong is found before anything is printed.
    let prepared = match experiment_of(arguments, &mask) {
        Some(file) => Some(prepare(Experiment::read(&file, &Changes::default())?, &Interrupt::default())?),
        None => None,
    };
    let row = prepared.as_ref().map(|prepared| cell_for(arguments, &mask, prepared)).transpose()?;
    writeln!(out, "{mask}")?;
    let stem = arguments.mask.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = arguments.out.as_deref().or(arguments.mask.parent()).unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(|e| Failure::Text(format!("{}: {e}", folder.display())))?;
    let write = |name: String, picture: &_| {
        let path = folder.join(name);
        mask_art::save(picture, &path).map_err(|e| Failure::Text(format!("{}: {e}", path.display())))?;
        Ok::<_, Failure>(path)
    };
    let grid = mask_art::picture(&mask);
    let path = write(format!("{stem}.png"), &grid)?;
    writeln!(out, "picture     {}", path.display())?;
    let Some(row) = row else {
        writeln!(out, "strip       none: the mask names no experiment that is here; give one")?;
        return Ok(());
    };
    let few: Vec<usize> = (0..row.samples.len().min(SPREAD_OVER.max(arguments.images))).collect();
    let batch = row.samples.batch(&few).map_err(|e| Failure::Text(e.to_string()))?;
    let strip = mask_art::strip(&mask, &*row.generator, batch.images.view(), &batch.labels, arguments.images);
    let strip = strip.map_err(|e| Failure::Text(e.to_string()))?;
    let path = write(format!("{stem}-strip.png"), &strip)?;
    let steps: Vec<String> = STRIP_STEPS.iter().map(|step| format!("{step:+}")).collect();
    writeln!(out, "strip       {}", path.display())?;
    writeln!(
        out,
        "            the original, then its decode with the kept values moved by {} deviations; the rest stays",
        steps.join(", ")
    )?;
    Ok(())
}

/// The experiment that is given, or else the one that the mask names, if it is there.
fn experiment_of(arguments: &Show, mask: &Mask) -> Option<PathBuf> {
    let named = || {
        let folder = arguments.mask.parent().unwrap_or(Path::new(""));
        mask.origin.experiment.as_ref().map(|file| folder.join(file)).filter(|file| file.is_file())
    };
    arguments.experiment.clone().or_else(named)
}

/// The row that is asked for, or else the mask's own, or else the first whose generator fits.
fn cell_for<'a>(arguments: &Show, mask: &Mask, prepared: &'a Prepared) -> Result<&'a ReadyRow, Failure> {
    let fit = |row: &ReadyRow| mask.for_run(row.generator.spec(), row.weights_hash(), true).map(|_| ());
    let by_id = |id: &String| prepared.ready().find(|row| row.settings.id == *id);
    if let Some(id) = &arguments.row {
        let absent = || Failure::Text(format!("the experiment has no row {id:?} that can run here"));
        let row = by_id(id).ok_or_else(absent)?;
        return fit(row).map(|()| row).map_err(text);
    }
    if let Some(row) = mask.origin.row.as_ref().and_then(by_id).filter(|row| fit(row).is_ok()) {
        return Ok(row);
    }
    let mut first = Err(Failure::Text("no row of the experiment can run here".to_owned()));
    for row in prepared.ready() {
        match (fit(row), &first) {
            (Ok(()), _) => return Ok(row),
            (Err(error), Err(Failure::Text(_))) => first = Err(Failure::Text(error.to_string())),
            (Err(_), _) => {}
        }
    }
    first
}

fn text(error: MaskError) -> Failure {
    Failure::Text(error.to_string())
}

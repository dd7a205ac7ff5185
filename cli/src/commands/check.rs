//! `fmr check FILE`

use clap::Args;
use fmr::experiment::MissingFiles;
use fmr::{CellMask, Interrupt, PreparedRow};

use super::shared::ExperimentArguments;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = arguments.experiment.prepare(&Interrupt::default())?;
    for row in &prepared.rows {
        match row {
            PreparedRow::Ready(cell) => {
                let [c, h, w] = cell.samples.image();
                let classes = cell.plan.classes.len();
                let learns = cell.mask.as_ref().and_then(CellMask::learns);
                let mask = match (&cell.row.mask, learns) {
                    (None, _) => String::new(),
                    (Some(name), None) => format!(", mask {name}"),
                    (Some(name), Some((_, samples))) => format!(", mask {name} learned from {} others", samples.len()),
                };
                println!(
                    "ready    {}: {} images {c}×{h}×{w}, {classes} classes{mask}",
                    cell.row.id,
                    cell.samples.len()
                );
            }
            PreparedRow::Missing(row, files) => {
                let files: Vec<String> = files.iter().map(MissingFiles::list).collect();
                println!("missing  {}: {}", row.id, files.join(", "));
            }
        }
    }
    Ok(())
}

//! `fmr check FILE`

use clap::Args;
use fmr::experiment::Lack;
use fmr::{Interrupt, PreparedRow, RowMask};
use std::io::Write;

use super::shared::ExperimentArguments;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let prepared = arguments.experiment.prepare(&Interrupt::default())?;
    prepared.try_gradients()?;
    for row in &prepared.rows {
        match row {
            PreparedRow::Ready(row) => {
                let [c, h, w] = row.samples.image();
                let classes = row.plan.classes.len();
                let learns = row.mask.as_ref().and_then(RowMask::learns);
                let mask = match (&row.settings.mask, learns) {
                    (None, _) => String::new(),
                    (Some(name), None) => format!(", mask {name}"),
                    (Some(name), Some((_, samples))) => format!(", mask {name} learned from {} others", samples.len()),
                };
                writeln!(
                    out,
                    "ready    {}: {} images {c}×{h}×{w}, {classes} classes{mask}",
                    row.settings.id,
                    row.samples.len()
                )?;
                for remark in &row.remarks {
                    writeln!(out, "         {remark}")?;
                }
            }
            PreparedRow::CannotRun(row, lack @ Lack::Files(_)) => writeln!(out, "missing  {}: {lack}", row.id)?,
            PreparedRow::CannotRun(row, lack @ Lack::NotImplemented(_)) => {
                writeln!(out, "not implemented  {}: {lack}", row.id)?;
            }
        }
    }
    let is_published = |row: &PreparedRow| matches!(row, PreparedRow::CannotRun(_, lack) if lack.is_published());
    if prepared.rows.iter().any(is_published) {
        writeln!(out, "`fmr fetch {}` downloads what is published", prepared.experiment.file().display())?;
    }
    Ok(())
}

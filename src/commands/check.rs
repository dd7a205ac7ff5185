//! `fmr check FILE`

use clap::Args;
use fmr::{PreparedRow, prepare, registry};

use super::shared::{ExperimentArguments, Failure};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = prepare(arguments.experiment.read()?, &registry())?;
    for row in &prepared.rows {
        match row {
            PreparedRow::Ready(cell) => {
                let [c, h, w] = cell.samples.image();
                let classes = cell.plan.classes.len();
                println!("ready    {}: {} images {c}×{h}×{w}, {classes} classes", cell.row.id, cell.samples.len());
            }
            PreparedRow::Missing(row, files) => {
                let files: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
                println!("missing  {}: {}", row.id, files.join(", "));
            }
        }
    }
    Ok(())
}

//! `fmr inspect FILE`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr_checkpoint::{Checkpoint, CheckpointError, Selection};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Checkpoint: safetensors, PyTorch or TorchScript; nothing in it is executed
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let text = |error: CheckpointError| Failure::Text(error.to_string());
    let file = Checkpoint::open(&arguments.file).map_err(text)?;
    write!(out, "{}", file.summary().map_err(text)?)?;
    let Ok(weights) = file.weights(&Selection::default()) else { return Ok(()) };
    let parameters = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect();
    let models = fmr_zoo::models_of(&parameters, &fmr_zoo::file_digest(&arguments.file)?);
    match models.0.len() {
        0 => {}
        1 => write!(out, "\nA target of kind zoo names it:\n\n{models}")?,
        _ => write!(
            out,
            "\nSeveral published files have these parameters, and their preprocessing differs. A target of kind zoo names \
             the right one:\n\n{models}"
        )?,
    }
    Ok(())
}

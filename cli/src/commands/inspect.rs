//! `fmr inspect FILE`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr_checkpoint::{Checkpoint, CheckpointError};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Checkpoint: safetensors, PyTorch or TorchScript; nothing in it is executed
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let text = |error: CheckpointError| Failure::Text(error.to_string());
    let summary = Checkpoint::open(&arguments.file).and_then(|file| file.summary()).map_err(text)?;
    write!(out, "{summary}")?;
    Ok(())
}

//! Checkpoints: what an input costs must be linear in its length.

mod inputs;
mod pickles;
#[path = "../../../../fmr-checkpoint/tests/support/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared with the tests of the crate")]
mod support;

use fmr_checkpoint::{Checkpoint, CheckpointError, Selection};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::{Allowance, Input, Reader, Reading};
use inputs::{INDEX, Maker};

/// Checkpoints of every container, and indices of shards.
pub(crate) struct Checkpoints {
    maker: Maker,
    folder: TempDir,
}

impl Checkpoints {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { maker: Maker::new(), folder: tempfile::tempdir()? })
    }
}

impl Reader for Checkpoints {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn allowance(&self) -> Allowance {
        Allowance {
            // Values that are loaded, and what any input may take beyond its own bytes.
            memory: (16 << 20) + (4 << 20),
            // The budget of the crate, and the copies that a summary makes of what is listed.
            memory_per_byte: 320,
            micros: 250_000,
            // A dozen passes over what eight steps and 128 bytes of budget can list.
            micros_per_byte: 10,
            text: 16 << 10,
        }
    }

    fn make(&self, random: &mut ChaCha8Rng) -> Input {
        self.maker.make(random)
    }

    fn read(&self, input: &Input) -> Reading {
        let opened = if input.kind == INDEX {
            let path = self.folder.path().join("model.safetensors.index.json");
            match std::fs::write(&path, &input.bytes) {
                Ok(()) => Checkpoint::open(&path),
                Err(error) => panic!("{}: {error}", path.display()),
            }
        } else {
            Checkpoint::from_bytes("input", input.bytes.clone())
        };
        match opened {
            Ok(checkpoint) => Reading { taken: true, text: use_everything(&checkpoint) },
            Err(error) => Reading { taken: false, text: shown(&error) },
        }
    }
}

fn shown(error: &CheckpointError) -> String {
    format!("{error}\n{error:?}")
}

/// Asks a checkpoint for everything; returns what a user would read.
fn use_everything(checkpoint: &Checkpoint) -> String {
    let mut text = format!("{checkpoint:?}\n");
    match checkpoint.summary() {
        Ok(summary) => text += &summary.to_string(),
        Err(error) => text += &shown(&error),
    }
    let by_keys = || Selection::by_keys(["a.weight", "conv1.weight"]);
    let selections = [
        Selection::default(),
        by_keys(),
        Selection::default().ema(true),
        by_keys().ema(true),
        Selection::default().prefix("a"),
        Selection::default().under("state_dict"),
    ];
    for selection in selections {
        match checkpoint.weights(&selection) {
            Ok(weights) => {
                let wanted: [(&str, &[usize]); 2] = [("a.weight", &[2, 3]), ("absent", &[1])];
                if let Err(error) = weights.check("a toy", wanted) {
                    text += &shown(&error);
                }
                if let Err(error) = weights.load(|_| true) {
                    text += &shown(&error);
                }
            }
            Err(error) => text += &shown(&error),
        }
    }
    for tensor in checkpoint.tensors().iter().take(4) {
        if let Err(error) = checkpoint.tensor_i64(tensor.key()) {
            text += &shown(&error);
        }
    }
    text
}

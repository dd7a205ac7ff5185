//! Reads model checkpoints as their authors publish them, without executing anything they contain.
//!
//! [`Checkpoint::open`] recognises the container from the file itself: safetensors, PyTorch's zip archive (plain
//! and TorchScript), PyTorch's legacy stream, and plain pickles with embedded tensors (StyleGAN). It lists the
//! tensors under dotted keys and reads each one only when asked, so a file may be much larger than memory.
//!
//! [`Checkpoint::weights`] finds the weights inside the container (`state_dict`, `model`, EMA copies, `module.`
//! prefixes, a normalising wrapper) and gives them under the model's own parameter names. Whatever does not fit ends
//! in one [`CheckpointError`] that names the file and what it looks like.
//!
//! ```no_run
//! use fmr_checkpoint::{Checkpoint, Selection};
//!
//! # fn main() -> Result<(), fmr_checkpoint::CheckpointError> {
//! let checkpoint = Checkpoint::open("resnet50.pth")?;
//! let mut weights = checkpoint.weights(&Selection::by_keys(["conv1.weight", "fc.bias"]))?;
//! weights.ignore(|key| key.ends_with("num_batches_tracked"));
//! let conv1 = weights.take("conv1.weight", &[64, 3, 7, 7])?;
//! # drop(conv1);
//! # Ok(()) }
//! ```
//!
//! A checkpoint is hostile until proven otherwise: pickles run on a machine that only builds values, every length is
//! compared with the file before memory is reserved for it, and total memory, nesting and counts are bounded.

mod checkpoint;
mod dtype;
mod error;
mod json;
mod limits;
mod misfit;
mod pickle;
mod recognise;
mod regular;
pub mod rename;
mod safetensors;
mod shards;
pub mod shown;
mod sniff;
mod source;
mod summary;
mod tensor;
mod torch;
mod weights;
mod write;
mod zip;

pub use checkpoint::{Checkpoint, Container, Scalar};
pub use dtype::Dtype;
pub use error::CheckpointError;
pub use misfit::{Misfit, Misshapen, OtherType};
pub use regular::read_text;
pub use summary::{Summary, SummaryKey};
pub use tensor::TensorInfo;
pub use weights::{Place, Selection, StateDict, Stored, Weights};
pub use write::{FloatType, write_safetensors};

#![doc = include_str!("../README.md")]

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
pub use regular::{read_bytes, read_text};
pub use summary::{Summary, SummaryKey};
pub use tensor::TensorInfo;
pub use weights::{Place, Selection, StateDict, Stored, Weights};
pub use write::{FloatType, write_safetensors};

#![doc = include_str!("../README.md")]

mod checkpoint;
mod entities;
mod hugging_face;
mod layout;
pub mod model;
mod open_clip;
mod oracle;
mod preprocess;
mod published;
mod repair;
mod target;
mod text;
mod tokenizer;

pub use checkpoint::{Opened, Told, open};
pub use fmr_nn::opening::OpenError;
pub use model::{Clip, ClipConfig, ImageConfig, ResNetConfig, TextConfig, VitConfig};
pub use oracle::{ClipOracle, ClipSettings, register};
pub use preprocess::Preprocess;
pub use published::{Published, published};
pub use target::{ClassNames, ClipTarget, ClipTargetSettings, Known};
pub use tokenizer::{Dialect, Tokenizer, TokenizerError};

/// Header and the 48,894 merges that OpenAI's CLIP uses of its list, gzip; MIT, copyright OpenAI.
pub const MERGES: &[u8] = include_bytes!("../assets/bpe_merges_48894.txt.gz");

//! CLIP (Radford et al., 2021) as the zero-shot oracle h of the paper: "an image of {class}", the largest cosine wins.

pub mod model;
mod oracle;
mod tokenizer;

pub use model::{Clip, ClipConfig, ImageConfig, ResNetConfig, TextConfig, VitConfig};
pub use oracle::{ClipOracle, ClipSettings, register};
pub use tokenizer::Tokenizer;

/// Header and the 48,894 merges that OpenAI's CLIP uses of its list, gzip; MIT, copyright OpenAI.
pub const MERGES: &[u8] = include_bytes!("../assets/bpe_merges_48894.txt.gz");

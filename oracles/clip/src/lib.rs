//! CLIP (Radford et al., 2021) as the zero-shot oracle h of the paper: "an image of {class}", the largest cosine wins.

pub mod model;
mod tokenizer;

pub use model::{Clip, ClipConfig, ImageConfig, ResNetConfig, TextConfig, VitConfig};
pub use tokenizer::Tokenizer;

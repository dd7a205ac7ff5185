//! Sizes told from the parameters themselves.

use fmr_nn::weights::StateDict;

use crate::config::{Quantizer, Sizes};

/// The sizes of the model that these parameters (in the names of taming-transformers) belong to; the groups of the
/// normalisations leave no trace and are 32, as in every published model.
///
/// # Errors
/// Keys that a VQGAN has and these parameters lack.
pub(crate) fn sizes(tensors: &StateDict) -> Result<Sizes, Vec<String>> {
    let mut missing = Vec::new();
    let mut dim = |key: &str, axis: usize| {
        let found = tensors.get(key).and_then(|t| t.shape.get(axis)).copied();
        found.unwrap_or_else(|| {
            missing.push(key.to_owned());
            0
        })
    };
    let has = |key: &str| tensors.contains_key(key);
    let count = |prefix: &str| {
        let occurs = |n: usize| {
            let level = format!("{prefix}{n}.");
            tensors.range(level.clone()..).next().is_some_and(|(key, _)| key.starts_with(&level))
        };
        (0..).take_while(|n| occurs(*n)).count()
    };
    let levels = count("encoder.down.");
    let quantizer = if has("quantize.proj.weight") { Quantizer::Gumbel } else { Quantizer::Nearest };
    let codebook = match quantizer {
        Quantizer::Nearest => "quantize.embedding.weight",
        Quantizer::Gumbel => "quantize.embed.weight",
    };
    let attention = |part: &str| (0..levels).map(|i| has(&format!("{part}.{i}.attn.0.q.weight"))).collect();
    let sizes = Sizes {
        in_channels: dim("encoder.conv_in.weight", 1),
        out_channels: dim("decoder.conv_out.weight", 0),
        z_channels: dim("encoder.conv_out.weight", 0),
        n_embed: dim(codebook, 0),
        embed_dim: dim(codebook, 1),
        first: dim("encoder.conv_in.weight", 0),
        widths: (0..levels.max(1)).map(|i| dim(&format!("encoder.down.{i}.block.0.conv1.weight"), 0)).collect(),
        blocks: count("encoder.down.0.block."),
        encoder_attention: attention("encoder.down"),
        decoder_attention: attention("decoder.up"),
        middle_attention: has("encoder.mid.attn_1.q.weight"),
        resample_with_conv: levels < 2 || has("encoder.down.0.downsample.conv.weight"),
        groups: 32,
        quantizer,
    };
    missing.dedup();
    if missing.is_empty() { Ok(sizes) } else { Err(missing) }
}

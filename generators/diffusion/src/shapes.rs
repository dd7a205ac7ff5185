//! Hyper-parameters told from the parameters themselves.

use fmr_nn::weights::StateDict;

use crate::config::{Resampling, UnetConfig};
use crate::model::Flags;

/// The network that these parameters (in the names of guided-diffusion) belong to; what leaves no trace in them is as
/// `flags` say.
///
/// # Errors
/// Keys that such a network has and these parameters lack.
pub(crate) fn config(tensors: &StateDict, flags: &Flags) -> Result<UnetConfig, Vec<String>> {
    let mut missing = Vec::new();
    let mut dim = |key: String, axis: usize| {
        let found = tensors.get(&key).and_then(|t| t.shape.get(axis)).copied();
        found.unwrap_or_else(|| {
            missing.push(key);
            0
        })
    };
    let has = |key: String| tensors.contains_key(&key);
    let below =
        |prefix: String| tensors.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix));
    let entries = (0..).take_while(|i| below(format!("output_blocks.{i}."))).count();
    // Blocks that double the resolution stand after the others of their entry; those that halve it look like any block.
    let doubles = |i: usize, part: &str| (1..3).any(|j| has(format!("output_blocks.{i}.{j}.{part}.weight")));
    let first = |part: &str| (0..entries).find(|i| doubles(*i, part));
    let gap = || (1..entries).find(|i| !below(format!("input_blocks.{i}.")));
    let (resampling, blocks) = if let Some(first) = first("in_layers.0") {
        (Resampling::Residual, first)
    } else if let Some(first) = first("conv") {
        (Resampling::Convolution, first)
    } else if let Some(gap) = gap() {
        (Resampling::Plain, gap - 1)
    } else {
        (Resampling::Convolution, entries.saturating_sub(1))
    };
    let levels = (entries / (blocks + 1)).max(1);
    let level = |level: usize| format!("input_blocks.{}", 1 + level * (blocks + 1));
    let widths: Vec<usize> = (0..levels).map(|i| dim(format!("{}.0.out_layers.0.weight", level(i)), 0)).collect();
    let modulated = dim(format!("{}.0.emb_layers.1.weight", level(0)), 0);
    let config = UnetConfig {
        in_channels: dim("input_blocks.0.0.weight".to_owned(), 1),
        out_channels: dim("out.2.weight".to_owned(), 0),
        model_channels: dim("time_embed.0.weight".to_owned(), 1),
        blocks,
        attention: (0..levels).map(|i| has(format!("{}.1.qkv.weight", level(i)))).collect(),
        heads: flags.heads,
        decoder_heads: flags.decoder_heads,
        attention_order: flags.attention_order,
        scale_shift_norm: modulated == 2 * widths[0],
        resampling,
        classes: has("label_emb.weight".to_owned()).then(|| dim("label_emb.weight".to_owned(), 0)),
        widths,
    };
    if missing.is_empty() { Ok(config) } else { Err(missing) }
}

//! Moving averages whose names lost their dots: `LitEma` of latent-diffusion keeps the average of `encoder.conv_in.weight`
//! as `model_ema.encoderconv_inweight`.

use super::{Entry, Weights};

/// The level that holds such an average.
const LEVEL: &str = "model_ema.";

/// The average of these weights, where the file keeps one under names without dots. Buffers, which are not averaged,
/// are the weights' own.
pub(super) fn of<'c>(weights: &Weights<'c>) -> Option<Weights<'c>> {
    let prefix = weights.prefix();
    let outer = prefix.trim_end_matches('.').rfind('.').map_or("", |dot| &prefix[..=dot]);
    // The average is one of the whole module, or of the part that holds the model.
    let inner = &prefix[outer.len()..];
    find(weights, prefix, "").or_else(|| find(weights, outer, inner)).or_else(|| find(weights, outer, ""))
}

/// The average below `place`, of names that start with `inner` there.
fn find<'c>(weights: &Weights<'c>, place: &str, inner: &str) -> Option<Weights<'c>> {
    let mut averages = 0;
    let mut key = String::new();
    let entries: Vec<Entry<'c>> = weights
        .iter()
        .map(|(name, raw)| {
            key.clear();
            key.push_str(place);
            key.push_str(LEVEL);
            key.extend(inner.chars().chain(name.chars()).filter(|c| *c != '.'));
            let average = weights.checkpoint().get(&key).filter(|average| average.shape() == raw.shape());
            averages += usize::from(average.is_some());
            Entry { name, tensor: average.unwrap_or(raw), used: false }
        })
        .collect();
    // Running statistics of normalisations are buffers: in a small network they are more than half of all tensors.
    if averages == 0 || averages * 4 < entries.len() {
        return None;
    }
    let mut average = Weights::new(weights.checkpoint(), format!("{place}{LEVEL}"));
    average.index = entries.iter().enumerate().map(|(index, entry)| (entry.name, index)).collect();
    average.entries = entries;
    average.averaged = true;
    Some(average)
}

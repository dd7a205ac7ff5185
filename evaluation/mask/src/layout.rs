//! Dimensions, channels and sites of a latent.

use std::fmt;

use serde::{Deserialize, Serialize};

use fmr_core::LatentBlock;

/// What a mask keeps or leaves as a whole, and what a column of the classifier stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// One latent value.
    #[default]
    Dimension,
    /// The first index of a block: one feature map of `[channels, height, width]`.
    Channel,
    /// What follows the first index of a block: one position of `[channels, height, width]`.
    Site,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dimension => "dimension",
            Self::Channel => "channel",
            Self::Site => "site",
        })
    }
}

/// Number of values of a latent of that layout.
pub(super) fn length(layout: &[LatentBlock]) -> usize {
    layout.iter().map(size).sum()
}

/// Number of values of a block.
pub(super) fn size(block: &LatentBlock) -> usize {
    block.shape.iter().product()
}

/// Channels of a block, and sites of each.
pub fn channels_and_sites(block: &LatentBlock) -> (usize, usize) {
    match block.shape.split_first() {
        Some((channels, rest)) => (*channels, rest.iter().product()),
        None => (1, 1),
    }
}

/// The unit that each latent value belongs to, and the number of units; those of a block follow those before it.
pub(super) fn groups(layout: &[LatentBlock], unit: Unit) -> (Vec<usize>, usize) {
    let mut groups = Vec::with_capacity(length(layout));
    let mut first = 0;
    for block in layout {
        let (channels, sites) = channels_and_sites(block);
        let (count, of): (usize, fn(usize, usize) -> usize) = match unit {
            Unit::Dimension => (channels * sites, |i, _| i),
            Unit::Channel => (channels, |i, sites| i / sites),
            Unit::Site => (sites, |i, sites| i % sites),
        };
        groups.extend((0..channels * sites).map(|i| first + of(i, sites)));
        first += count;
    }
    (groups, first)
}

/// Where value `index` of a latent is, for people: `1014 (z, channel 5, row 2, column 6)`.
pub(super) fn describe(layout: &[LatentBlock], index: usize) -> String {
    let holds = |b: &&LatentBlock| index >= b.offset && index - b.offset < size(b);
    let Some(block) = layout.iter().find(holds) else { return index.to_string() };
    let within = index - block.offset;
    match block.shape[..] {
        [_, h, w] => {
            let (channel, row, column) = (within / (h * w), within / w % h, within % w);
            format!("{index} ({}, channel {channel}, row {row}, column {column})", block.name)
        }
        _ => format!("{index} ({}, value {within})", block.name),
    }
}

/// Most values of a latent, which bounds the memory that a mask's file can ask for.
const MOST_VALUES: usize = 1 << 24;

/// What is wrong with a layout: blocks must follow one another without gaps.
pub(super) fn problem(layout: &[LatentBlock]) -> Option<String> {
    let mut end = 0_usize;
    for block in layout {
        let size = block.shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        match size.and_then(|s| end.checked_add(s)) {
            Some(next) if block.offset == end && next > end => end = next,
            _ => {
                return Some(format!(
                    "block {:?} of shape {:?} at offset {} does not follow the {end} values before it",
                    block.name, block.shape, block.offset
                ));
            }
        }
    }
    if end > MOST_VALUES {
        return Some(format!("a layout of {end} values; there may be {MOST_VALUES}"));
    }
    layout.is_empty().then(|| "a layout without blocks".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_several_blocks() {
        let block =
            |name: &str, shape: &[usize], offset| LatentBlock { name: name.into(), shape: shape.into(), offset };
        let layout = [block("z", &[2, 1, 3], 0), block("w", &[2], 6)];
        assert_eq!(problem(&layout), None);
        assert_eq!(groups(&layout, Unit::Dimension), ((0..8).collect(), 8));
        assert_eq!(groups(&layout, Unit::Channel), (vec![0, 0, 0, 1, 1, 1, 2, 3], 4));
        assert_eq!(groups(&layout, Unit::Site), (vec![0, 1, 2, 0, 1, 2, 3, 3], 4));
        assert_eq!(describe(&layout, 4), "4 (z, channel 1, row 0, column 1)");
        assert_eq!(describe(&layout, 7), "7 (w, value 1)");
        assert!(problem(&layout[1..]).is_some_and(|p| p.contains("\"w\"")));
        assert!(problem(&[]).is_some());
        assert!(problem(&[block("z", &[1 << 20, 1 << 20], 0)]).is_some_and(|p| p.contains("1099511627776 values")));
    }
}

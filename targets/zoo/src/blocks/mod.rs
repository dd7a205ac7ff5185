//! What several families are built of.

mod grouped;
mod maps;
mod patches;
mod windows;

pub(crate) use grouped::GroupedConv2d;
pub(crate) use maps::{to_map, to_tokens};
pub(crate) use patches::PatchEmbed;
pub(crate) use windows::{Windows, merging};

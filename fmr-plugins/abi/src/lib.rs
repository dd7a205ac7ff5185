#![doc = include_str!("../README.md")]
#![no_std]

mod layout;
mod tables;
mod values;

pub use layout::{Field, Layout, constants, layout};
pub use tables::{
    Check, Component, Create, Destroy, Entry, Forward, GetInfo, Host, Info, Library, LiveHandles, NameFile, PullBack,
    Release, SetClasses,
};
pub use values::{Block, Call, DType, Error, Instance, Names, Saved, Site, Str, Text, View};

/// First bytes of a [`Library`]: `FMR1`.
pub const MAGIC: u32 = 0x3152_4d46;
/// Version of incompatible changes; part of the entry symbol's name.
pub const MAJOR: u16 = 1;
/// Version of compatible additions.
pub const MINOR: u16 = 1;
/// Name of the one symbol that a plugin exports, an [`Entry`].
pub const ENTRY: &str = "fmr_plugin_v1";

/// Result of a call.
pub type Status = i32;
/// Success: every output is written.
pub const OK: Status = 0;
/// A setting is unknown, missing or invalid; the error's subject is its key.
pub const BAD_SETTING: Status = 1;
/// The plugin does not offer this.
pub const UNSUPPORTED: Status = 2;
/// The call failed; the error says why.
pub const FAILED: Status = 3;
/// The plugin panicked; the instance is poisoned.
pub const PANICKED: Status = 4;
/// An earlier call panicked; the instance no longer works.
pub const POISONED: Status = 5;
/// The pull-back was already used.
pub const CONSUMED: Status = 6;
/// The call's `cancelled` returned true.
pub const CANCELLED: Status = 7;
/// The host broke the contract, e.g. by a buffer of the wrong shape.
pub const BAD_CALL: Status = 8;
/// Of [`Component::check`]: a setting names something that there is not, such as a model; the error's subject is its key.
/// Since 1.1.
pub const UNKNOWN_NAME: Status = 9;

/// Role of a component.
pub type Role = u32;
/// Encodes images to latents and decodes latents, with a pull-back.
pub const GENERATOR: Role = 1;
/// Judges which class an image shows.
pub const ORACLE: Role = 2;
/// The classifier under test.
pub const TARGET: Role = 3;
/// The score that the search maximises.
pub const SCORER: Role = 4;

/// Function that [`Component::forward`] computes.
pub type Function = u32;
/// Generator: images `f32 [n, c, h, w]`, labels `i64 [n]` → latents `f32 [n, d]`.
pub const ENCODE: Function = 1;
/// Generator: latents `f32 [n, d]`, labels `i64 [n]` → images `f32 [n, c, h, w]`. Has a pull-back.
pub const DECODE: Function = 2;
/// Oracle: images `f32 [n, c, h, w]` → class probabilities `f32 [n, k]`.
pub const JUDGE: Function = 3;
/// Target: images `f32 [n, c, h, w]` → logits `f32 [n, k]`. Has a pull-back where the target is differentiable.
pub const LOGITS: Function = 4;
/// Scorer: logits `f32 [n, k]`, clean logits `f32 [n, k]`, labels `i64 [n]` → scores `f32 [n]`, gradients `f32 [n, k]`.
pub const SCORE: Function = 5;
/// Generator with [`FINISHES`]: latents `f32 [n, d]`, labels `i64 [n]` → the final latents that replace them.
pub const FINISH: Function = 6;
/// Generator with [`QUANTIZES`]: latents `f32 [n, d]` → latents as decoding sees them, `f32 [n, d]`.
pub const QUANTIZE: Function = 7;
/// Target with [`PICTURES`]: pictures as their files hold them, an input each: `u8 [c, h, w]` of its own size, grey
/// (c = 1) or RGB (c = 3) → logits `f32 [n, k]`. Since 1.1.
pub const LOGITS_OF_PICTURES: Function = 8;
/// Oracle with [`PICTURES`]: pictures as for [`LOGITS_OF_PICTURES`] → class probabilities `f32 [n, k]`. Since 1.1.
pub const JUDGE_PICTURES: Function = 9;

/// [`Info::flags`]: offers a pull-back.
pub const DIFFERENTIABLE: u64 = 1;
/// [`Info::flags`]: the same call returns the same bits.
pub const DETERMINISTIC: u64 = 1 << 1;
/// [`Info::flags`]: several threads may call at once. Without it the host queues calls.
pub const THREAD_SAFE: u64 = 1 << 2;
/// [`Info::flags`]: a pull-back may span several samples. Without it the host asks for pull-backs one sample at a time.
pub const BATCHED_PULL_BACK: u64 = 1 << 3;
/// [`Info::flags`]: reads the labels.
pub const NEEDS_LABELS: u64 = 1 << 4;
/// [`Info::flags`]: a generator that offers [`FINISH`].
pub const FINISHES: u64 = 1 << 5;
/// [`Info::flags`]: a generator that offers [`QUANTIZE`]. Latents that decoding sees alike decode to the same image, bit for bit.
pub const QUANTIZES: u64 = 1 << 6;
/// [`Info::flags`]: a target that offers [`LOGITS_OF_PICTURES`], or an oracle that offers [`JUDGE_PICTURES`]. Without it
/// originals are shown at the size of the run's images. Since 1.1.
pub const PICTURES: u64 = 1 << 7;

/// [`Library::flags`]: built so that a panic ends the process and cannot be caught.
pub const PANIC_ABORTS: u64 = 1;

/// Levels of [`Call::log`].
pub type Level = u32;
/// An error.
pub const LEVEL_ERROR: Level = 1;
/// A warning.
pub const LEVEL_WARN: Level = 2;
/// Information.
pub const LEVEL_INFO: Level = 3;
/// Details.
pub const LEVEL_DEBUG: Level = 4;

#![doc = include_str!("../docs/library.md")]

mod beforehand;
pub mod benchmark;
mod cache;
mod classes;
mod components;
mod error;
mod events;
pub mod files;
mod interrupt;
mod masks;
mod members;
mod merge;
pub mod plain;
mod plan;
mod prepare;
pub mod report;
mod run;
mod spread;
mod survey;
mod transfer;
mod trial;

pub use components::{IN_PROCESS, registry, registry_of};
pub use error::Error;
pub use events::{Begun, Events, Phase};
pub use interrupt::Interrupt;
pub use masks::{LearnedMask, MASKS, MaskSource, RowMask, learn_mask, save as save_mask};
pub use merge::merge;
pub use plan::Estimate;
pub use prepare::{Prepared, PreparedRow, ReadyRow, lacks, prepare, prepare_until};
pub use run::{FinishedRun, Runner};
pub use survey::{SurveyedRow, survey};

#[doc(inline)]
pub use fmr_core as core;
#[doc(inline)]
pub use fmr_data as data;
#[doc(inline)]
pub use fmr_experiment as experiment;
#[doc(inline)]
pub use fmr_mask as mask;
#[doc(inline)]
pub use fmr_store as store;

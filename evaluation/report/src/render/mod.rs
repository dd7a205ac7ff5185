//! Renderers: one a form. Each takes any grid.

mod csv;
mod json;
mod latex;
mod markdown;
mod printable;
mod source;
mod tables;
mod text;

pub use self::json::FORMAT;
pub use self::text::{TextOptions, WIDTH};

pub(crate) use self::printable::{label, sentence};

#![doc = include_str!("../README.md")]

mod name;
mod write;

pub use name::{LONGEST, Names, safe_name};
pub use write::{is_partial, remove_partials, replace, replace_with};

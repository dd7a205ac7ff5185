#![doc = include_str!("../README.md")]

mod folder;
mod name;
mod network;
mod write;

pub use folder::publish_folder;
pub use name::{LONGEST, Names, safe_name};
pub use network::network_file_system;
pub use write::{is_partial, remove_partials, replace, replace_soon, replace_with};

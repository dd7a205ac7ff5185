//! The host's side of the border: finding, checking and loading plugins.
//!
//! A plugin is native code that runs in this process with all its rights. Loading one is as trusting as running a
//! program; `docs/plugins.md` says what the checks here can and cannot do.

mod border;
mod buffers;
mod components;
mod describe;
mod elf;
mod error;
mod file;
mod handle;
mod library;
mod list;
mod paths;
mod plugins;
mod private;
mod search;
mod tables;
mod texts;
mod watch;

pub use error::{PluginError, Problem};
pub use handle::Limits;
pub use library::{Library, Offer};
pub use list::{Listing, list};
pub use plugins::{KIND, Plugins, register, register_found};
pub use search::{PATH_VARIABLE, SearchPath};
pub use tables::Role;

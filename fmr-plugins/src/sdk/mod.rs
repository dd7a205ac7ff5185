//! The plugin's side of the border: what [`export!`](crate::export) expands to.
//!
//! Nothing here is meant to be called by hand.

pub mod call;
mod description;
mod entry;
mod export;
mod failure;
mod functions;
mod guard;
mod live;
mod schema;
mod views;

pub use entry::{component, enter};
pub use functions::create;
pub use live::{Part, generator, oracle, scorer, target};
pub use schema::schema;

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
pub use functions::{check, create};
pub use guard::Common;
pub use live::{
    Part, check_generator, check_oracle, check_scorer, check_target, generator, generator_recipe, oracle,
    oracle_recipe, scorer, scorer_recipe, target, target_recipe,
};
pub use schema::schema;

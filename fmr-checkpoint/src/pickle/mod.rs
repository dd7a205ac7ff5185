//! A pickle machine that builds values and executes nothing.
//!
//! Classes and functions stay names, a call stays the pair of its name and its arguments, long byte strings stay in
//! the file as spans. What the names mean is decided by [`crate::torch`], for the few that tensors need.

mod machine;
mod value;

pub(crate) use machine::load;
pub(crate) use value::{Heap, Id, Object, Value};

//! Files of weights: the published ones at their full size, wrong ones as people read about them, and those that the
//! repository carries.

#![expect(clippy::unwrap_used, reason = "tests")]

mod full_size;
mod photographs;
mod published;
mod small_world;
mod wrong;

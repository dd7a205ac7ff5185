//! Matrix products with operands rounded to bfloat16 and sums in single precision, on processors that have matrix tiles
//! or dot products for them.
//!
//! For training only: an evaluation never rounds its operands. [`enable`] switches the whole process over; where the
//! processor or the system has neither, products stay in single precision.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod dots;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod pack;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod product;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use product::{Packed, pack, product};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use product::{enable, enabled};

/// Rows of a tile.
const ROWS: usize = 16;
/// Bfloat16 values of a tile's row.
const DEPTH: usize = 32;
/// Values of a tile.
const TILE: usize = ROWS * DEPTH;
/// Output columns of a block: three tiles.
const COLUMNS: usize = 48;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) use elsewhere::{Packed, pack, product};
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub use elsewhere::{enable, enabled};

/// Stands in where there are no such instructions.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod elsewhere {
    use super::super::gemm::{Start, View};

    /// Never made.
    #[derive(Debug)]
    pub(in super::super) enum Packed {}

    /// Rounds nothing here.
    pub fn enable() -> bool {
        false
    }

    /// Never.
    pub fn enabled() -> bool {
        false
    }

    pub(in super::super) fn pack(_: usize, _: usize, _: View<'_>, _: usize) -> Option<Packed> {
        None
    }

    pub(in super::super) fn product(a: &Packed, _: usize, _: &[f32], _: usize, _: &mut [f32], _: usize, _: Start) {
        match *a {}
    }
}

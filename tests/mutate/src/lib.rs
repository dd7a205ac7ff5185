//! Campaigns of mutated files: no input may panic, hang, fill memory, print without end or draw on the terminal.
//!
//! A [`Reader`] makes inputs for one kind of files and reads them; a [`Campaign`] measures each reading. Every input is
//! made from the seed and its number alone, so that a failure happens again.

mod bytes;
mod campaign;
mod checkpoint;
mod clock;
mod data;
mod experiment;
mod mask;
mod toml_tree;

use rand_chacha::ChaCha8Rng;

pub use campaign::{Campaign, Failure, Figures};

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// One input.
#[derive(Debug, Clone)]
pub struct Input {
    /// What it was made from.
    pub kind: &'static str,
    /// The file's content.
    pub bytes: Vec<u8>,
}

/// What became of an input.
#[derive(Debug, Default)]
pub struct Reading {
    /// Whether it was taken for a file of its kind.
    pub taken: bool,
    /// All that a user would read of it.
    pub text: String,
}

/// What reading an input may cost.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Bytes on the heap for any input.
    pub memory: usize,
    /// Bytes on the heap for each byte of an input.
    pub memory_per_byte: usize,
    /// Microseconds of processor time for any input. The first access to pages that another process held takes much of
    /// it.
    pub micros: u64,
    /// Microseconds of processor time for each byte of an input.
    pub micros_per_byte: u64,
    /// Bytes of text.
    pub text: usize,
}

/// Makes and reads inputs of one kind of files.
pub trait Reader {
    /// Name of the kind.
    fn name(&self) -> &'static str;
    /// What reading an input may cost.
    fn allowance(&self) -> Allowance;
    /// The input that comes of these random numbers.
    fn make(&self, random: &mut ChaCha8Rng) -> Input;
    /// Reads an input and uses what it holds.
    fn read(&self, input: &Input) -> Reading;
}

/// All kinds of files.
///
/// # Errors
/// The files that inputs are made from cannot be read, or there is no temporary folder.
pub fn readers() -> std::io::Result<Vec<Box<dyn Reader>>> {
    Ok(vec![
        Box::new(checkpoint::Checkpoints::new()?),
        Box::new(data::Pictures::new()?),
        Box::new(data::Containers::new()?),
        Box::new(experiment::Experiments::new()?),
        Box::new(mask::Masks::new()?),
    ])
}

//! A part of a run's images, so that several machines can share the work.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Every `of`-th sample of each row, from `index` on: sample i belongs to part i modulo `of`. In data that is ordered by
/// class each part has all classes, and parts take about equally long.
///
/// ```
/// use fmr_store::Part;
///
/// let second = Part::new(1, 4)?;
/// assert_eq!((second.index(), second.of()), (1, 4));
/// assert!(second.holds(5) && !second.holds(6));
/// assert_eq!(second.count(10), 3);
/// assert_eq!(second.to_string(), "shard 1/4");
/// # Ok::<(), fmr_store::PartError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: usize,
    of: usize,
}

/// A part that there cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a part is written as NUMBER/PARTS, from 1/PARTS to PARTS/PARTS")]
pub struct PartError;

impl Part {
    /// All samples.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The part with this index, from 0, of a run in `of` parts.
    ///
    /// # Errors
    /// There are no parts, or the index is not below their number.
    pub fn new(index: usize, of: usize) -> Result<Self, PartError> {
        if index < of { Ok(Self { index, of }) } else { Err(PartError) }
    }

    /// Its index, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// Number of parts.
    pub fn of(self) -> usize {
        self.of
    }

    /// Whether it is the whole run.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Whether a sample belongs to it.
    pub fn holds(self, sample: usize) -> bool {
        sample % self.of == self.index
    }

    /// Samples of it where there are `samples` in all.
    pub fn count(self, samples: usize) -> usize {
        samples.saturating_sub(self.index).div_ceil(self.of)
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// `shard 1/4`: counted from 0, as the command takes it.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}/{}", self.index, self.of)
    }
}

/// `2/4`: counted from 1, as run stores have it.
impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let (number, of) = text.split_once('/').ok_or(PartError)?;
        let number: usize = number.parse().map_err(|_| PartError)?;
        Self::new(number.checked_sub(1).ok_or(PartError)?, of.parse().map_err(|_| PartError)?)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_sample_once() {
        for of in 1..5 {
            for samples in 0..12 {
                let parts: Vec<Part> = (0..of).map(|index| Part::new(index, of).unwrap()).collect();
                for sample in 0..samples {
                    assert_eq!(parts.iter().filter(|part| part.holds(sample)).count(), 1);
                }
                for part in parts {
                    assert_eq!(part.count(samples), (0..samples).filter(|sample| part.holds(*sample)).count());
                }
            }
        }
    }

    #[test]
    fn parts_that_there_are_not() {
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/3", "a/b"] {
            assert_eq!(text.parse::<Part>(), Err(PartError), "{text}");
        }
    }
}

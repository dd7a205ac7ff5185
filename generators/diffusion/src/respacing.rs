//! Which steps of a process a sampler visits.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Steps that are kept, in the notation of the original code.
///
/// ```
/// use fmr_diffusion::Respacing;
///
/// let fifth: Respacing = "5,0,0,0,0".parse()?;
/// assert_eq!(fifth.timesteps(1000)?, [0, 50, 100, 149, 199]);
/// let ddim: Respacing = "ddim4".parse()?;
/// assert_eq!(ddim.timesteps(1000)?, [0, 250, 500, 750]);
/// # Ok::<(), fmr_diffusion::RespacingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Respacing {
    /// Every step: the empty text.
    #[default]
    All,
    /// `ddimN`: the smallest stride that leaves exactly N steps.
    Ddim(usize),
    /// Counts separated by commas: the process is cut into so many equal sections, and each keeps so many steps.
    Sections(Vec<usize>),
}

/// A respacing that makes no sense, or none for a process of that length.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RespacingError {
    /// The text is not in the notation.
    #[error("{0:?} is no respacing: it is empty, \"ddimN\", or counts separated by commas")]
    Text(String),
    /// No stride leaves that many steps.
    #[error("no stride through {steps} steps leaves exactly {wanted}")]
    Stride {
        /// Steps of the process.
        steps: usize,
        /// Steps asked for.
        wanted: usize,
    },
    /// A section is asked for more steps than it has.
    #[error("a section of {size} steps cannot keep {wanted}")]
    Section {
        /// Steps of the section.
        size: usize,
        /// Steps asked for.
        wanted: usize,
    },
}

impl FromStr for Respacing {
    type Err = RespacingError;

    fn from_str(text: &str) -> Result<Self, RespacingError> {
        let error = || RespacingError::Text(text.to_owned());
        if text.is_empty() {
            return Ok(Self::All);
        }
        if let Some(count) = text.strip_prefix("ddim") {
            return Ok(Self::Ddim(count.parse().map_err(|_| error())?));
        }
        let counts = text.split(',').map(|count| count.trim().parse()).collect::<Result<_, _>>();
        Ok(Self::Sections(counts.map_err(|_| error())?))
    }
}

impl fmt::Display for Respacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Ddim(count) => write!(f, "ddim{count}"),
            Self::Sections(counts) => {
                let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
                f.write_str(&counts.join(","))
            }
        }
    }
}

impl Respacing {
    /// The steps kept of a process of `steps` steps, in ascending order.
    ///
    /// # Errors
    /// The process has no such steps.
    pub fn timesteps(&self, steps: usize) -> Result<Vec<usize>, RespacingError> {
        match self {
            Self::All => Ok((0..steps).collect()),
            Self::Ddim(wanted) => {
                let stride = (1..steps).find(|stride| steps.div_ceil(*stride) == *wanted);
                let stride = stride.ok_or(RespacingError::Stride { steps, wanted: *wanted })?;
                Ok((0..steps).step_by(stride).collect())
            }
            Self::Sections(counts) => {
                let (size, longer) = (steps / counts.len().max(1), steps % counts.len().max(1));
                let mut start = 0;
                let mut kept = Vec::new();
                for (i, count) in counts.iter().enumerate() {
                    let size = size + usize::from(i < longer);
                    kept.extend(spread(size, *count)?.into_iter().map(|step| start + step));
                    start += size;
                }
                // Sections never share a step, but rounding may keep one step of a section twice.
                kept.dedup();
                Ok(kept)
            }
        }
    }
}

/// `count` of `size` steps, evenly spread, the first and the last among them.
///
/// # Errors
/// More steps than there are.
pub(crate) fn spread(size: usize, count: usize) -> Result<Vec<usize>, RespacingError> {
    if count > size {
        return Err(RespacingError::Section { size, wanted: count });
    }
    let stride = if count <= 1 { 1.0 } else { (size - 1) as f64 / (count - 1) as f64 };
    let mut kept = Vec::with_capacity(count);
    // Positions are sums of strides, and halves go to the even neighbour: the original code accumulates in double
    // precision and uses Python's `round`.
    let mut position = 0.0_f64;
    for _ in 0..count {
        kept.push(position.round_ties_even() as usize);
        position += stride;
    }
    Ok(kept)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["", "ddim25", "10,0,0,0,0", "250"] {
            assert_eq!(text.parse::<Respacing>().unwrap().to_string(), text);
        }
        for text in ["ddim", "ddim-1", "1,,2", "ten", ","] {
            assert!(text.parse::<Respacing>().is_err(), "{text}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let seven: Respacing = "7".parse().unwrap();
        assert_eq!(seven.timesteps(1000).unwrap(), [0, 166, 333, 500, 666, 832, 999]);
        let three: Respacing = "3".parse().unwrap();
        assert_eq!(three.timesteps(10).unwrap(), [0, 4, 9]);
    }

    #[test]
    fn steps_that_are_not_there_are_refused() {
        let steps = |text: &str, of| text.parse::<Respacing>().unwrap().timesteps(of);
        assert!(matches!(steps("ddim300", 1000), Err(RespacingError::Stride { .. })));
        assert!(matches!(steps("600,600", 1000), Err(RespacingError::Section { size: 500, wanted: 600 })));
        assert!(matches!(steps("11", 10), Err(RespacingError::Section { .. })));
    }
}

//! Codes renumbered to those in use, as VQModel's `remap` option does. Latents are never changed by it.

/// How a code that is not in use is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// A number of its own, one after the last; it stands for the first code in use on the way back.
    Extra,
    /// This number.
    Index(usize),
}

/// A numbering of the codes in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remap {
    used: Vec<usize>,
    unknown: Unknown,
}

impl Remap {
    /// Numbers the codes `used` by their position.
    pub fn new(used: Vec<usize>, unknown: Unknown) -> Self {
        Self { used, unknown }
    }

    /// Numbers of codes.
    pub fn to_used(&self, codes: &[usize]) -> Vec<usize> {
        let unknown = match self.unknown {
            Unknown::Extra => self.used.len(),
            Unknown::Index(index) => index,
        };
        codes.iter().map(|code| self.used.iter().position(|u| u == code).unwrap_or(unknown)).collect()
    }

    /// Codes of numbers; a number beyond those in use stands for the first of them.
    pub fn to_all(&self, numbers: &[usize]) -> Vec<usize> {
        let first = self.used.first().copied().unwrap_or_default();
        numbers.iter().map(|number| self.used.get(*number).copied().unwrap_or(first)).collect()
    }
}

//! Rename tables: the parameter names of one project in the words of another, as data.
//!
//! Published weights of one network come under many names. A table lists what the names of one project are in the
//! other's; a [`Rules`] holds tables and brings a [`StateDict`] from one to the other. Names are read in the parts
//! between their dots:
//!
//! | pattern | takes | template | gives |
//! | --- | --- | --- | --- |
//! | `head.weight` | this name only | `fc.weight` | this name |
//! | `blocks.{n}.norm1.{p}` | any one part for each capture | `layers.{n}.ln_1.{p}` | what was captured |
//! | `backbone.{rest..}` | any number of parts, at least one | `{rest..}` | what was captured |
//! | `block_{n}.conv` | a part with this start (or end) | `block{n}.conv` | text around what was captured |
//! | | | `down.{n+1}`, `up.{last-n}` | the sum or difference of captures, constants and numbers |
//!
//! The first rule that fits a name decides; where it takes a slice of the tensor ([`Rule::slice`]), so do the others that fit. A name that no rule fits stays as it is and is reported
//! ([`Renamed::unmatched`]), as are two names that would become one, and a difference below zero: nothing is lost or
//! overwritten in silence.
//!
//! ```
//! use fmr_checkpoint::rename::{Rule, Rules};
//! use fmr_checkpoint::{StateDict, Stored};
//!
//! // Blocks look alike wherever they stand: their table is nested into both towers.
//! const BLOCK: &[Rule] = &[
//!     Rule::new("norm1.{p}", "ln_1.{p}"),
//!     Rule::new("attn.q.{p}", "attn.in_proj_{p}").part(0, 2),
//!     Rule::new("attn.k.{p}", "attn.in_proj_{p}").part(1, 2),
//! ];
//! let rules = Rules::new()
//!     .table(&[
//!         Rule::new("head.weight", "proj").transposed(),
//!         Rule::drop("position_ids"),
//!     ])
//!     .nested("blocks.{n}", "transformer.resblocks.{last-n}", BLOCK)
//!     .constant("last", 1);
//!
//! let tensor = |shape: [usize; 2], values: [f32; 2]| Stored { shape: shape.to_vec(), values: values.to_vec() };
//! let weights = StateDict::from([
//!     ("head.weight".to_owned(), tensor([1, 2], [1.0, 2.0])),
//!     ("blocks.1.attn.q.weight".to_owned(), tensor([1, 2], [3.0, 4.0])),
//!     ("blocks.1.attn.k.weight".to_owned(), tensor([1, 2], [5.0, 6.0])),
//!     ("mystery".to_owned(), tensor([2, 1], [7.0, 8.0])),
//! ]);
//! let renamed = rules.apply(weights);
//! assert_eq!(renamed.tensors["proj"].shape, [2, 1]);
//! assert_eq!(renamed.tensors["transformer.resblocks.0.attn.in_proj_weight"].values, [3.0, 4.0, 5.0, 6.0]);
//! assert_eq!(renamed.unmatched, ["mystery"]);
//! assert!(renamed.tensors.contains_key("mystery"));
//! ```

mod change;
mod pattern;
pub mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use change::Change;
use pattern::{Pattern, Template};

use crate::weights::{StateDict, Stored};

/// One line of a rename table; see the [module](self) for the notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    from: &'static str,
    /// `None` drops the tensor.
    to: Option<&'static str>,
    change: Change,
}

impl Rule {
    /// Names that fit the pattern `from` become what the template `to` says.
    #[must_use]
    pub const fn new(from: &'static str, to: &'static str) -> Self {
        Self { from, to: Some(to), change: Change::None }
    }

    /// Tensors whose names fit the pattern are known to be of no use.
    #[must_use]
    pub const fn drop(from: &'static str) -> Self {
        Self { from, to: None, change: Change::None }
    }

    /// The matrix `[a, b]` becomes its transpose `[b, a]`.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { change: Change::Transpose, ..self }
    }

    /// The matrix `[a, b]` becomes the kernel `[a, b, 1, 1]` of a 1×1 convolution.
    #[must_use]
    pub const fn kernel(self) -> Self {
        Self { change: Change::Kernel, ..self }
    }

    /// The tensor is number `index` of `of` that are put together along their first dimension, as the projections of
    /// query, key and value are.
    #[must_use]
    pub const fn part(self, index: usize, of: usize) -> Self {
        Self { change: Change::Part { index, of }, ..self }
    }

    /// The kernel `[a, b, 1, 1]` of a 1×1 convolution becomes the matrix `[a, b]`.
    #[must_use]
    pub const fn matrix(self) -> Self {
        Self { change: Change::Matrix, ..self }
    }

    /// The new tensor is number `index` of the `of` equal slices of the old one along its first dimension. Rules for the
    /// other slices, of the same pattern, follow this one.
    #[must_use]
    pub const fn slice(self, index: usize, of: usize) -> Self {
        Self { change: Change::Slice { index, of }, ..self }
    }
}

/// Rename tables that are applied together.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Compiled>,
    constants: Vec<(&'static str, usize)>,
}

#[derive(Debug, Clone)]
struct Compiled {
    from: Pattern,
    to: Option<Template>,
    change: Change,
}

/// What a name becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name; `None` for a tensor of no use.
    pub name: Option<String>,
    /// What happens to the values.
    pub change: Change,
}

/// Tensors under their new names.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed {
    /// The tensors. Those that are reported below stand under their old names.
    pub tensors: StateDict,
    /// Names that no rule fits, or whose tensor could not be brought into its place: the place was taken, the shape is
    /// not one that the rule changes, or other parts are missing. In the order of the alphabet.
    pub unmatched: Vec<String>,
}

impl Rules {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the rules of a table after those that are there.
    ///
    /// # Panics
    ///
    /// On a table that contradicts itself: see [`Rules::nested`].
    #[must_use]
    pub fn table(mut self, table: &[Rule]) -> Self {
        let compile = |rule: &Rule| Compiled::new(rule.from, rule.to, rule.change);
        self.rules.extend(table.iter().map(compile));
        self
    }

    /// Adds the rules of a table for names below `from`, whose counterparts stand below `to`.
    ///
    /// # Panics
    ///
    /// On a table that contradicts itself: a brace is not closed, two captures of one pattern share a name, or a
    /// pattern has two captures of several parts.
    #[must_use]
    pub fn nested(mut self, from: &str, to: &str, table: &[Rule]) -> Self {
        let compile = |rule: &Rule| {
            let to = rule.to.map(|inner| format!("{to}.{inner}"));
            Compiled::new(&format!("{from}.{}", rule.from), to.as_deref(), rule.change)
        };
        self.rules.extend(table.iter().map(compile));
        self
    }

    /// Gives a name in templates a number, such as that of the last level of the model at hand.
    #[must_use]
    pub fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, value));
        self
    }

    /// What a name becomes, or `None` if no rule fits it.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<Target> {
        let parts: Vec<&str> = name.split('.').collect();
        self.rules.iter().find_map(|rule| {
            let captured = rule.from.captures(&parts)?;
            let name = match &rule.to {
                Some(template) => Some(template.fill(&captured, &self.constants)?),
                None => None,
            };
            Some(Target { name, change: rule.change })
        })
    }

    /// The tensors under their new names.
    #[must_use]
    pub fn apply(&self, tensors: StateDict) -> Renamed {
        let mut renamed = Renamed { tensors: StateDict::new(), unmatched: Vec::new() };
        let mut packs: BTreeMap<String, Vec<(usize, String, Stored)>> = BTreeMap::new();
        let mut left: Vec<(String, Stored)> = Vec::new();
        for (old, stored) in tensors {
            let Some(target) = self.target(&old) else {
                left.push((old, stored));
                continue;
            };
            if let Change::Slice { .. } = target.change {
                if let Err(stored) = self.cut(&old, stored, &mut renamed.tensors) {
                    left.push((old, stored));
                }
                continue;
            }
            let Some(name) = target.name else { continue };
            if let Change::Part { index, .. } = target.change {
                packs.entry(name).or_default().push((index, old, stored));
            } else if renamed.tensors.contains_key(&name) || !target.change.fits(&stored.shape) {
                left.push((old, stored));
            } else {
                renamed.tensors.insert(name, target.change.apply(stored));
            }
        }
        for (name, mut parts) in packs {
            parts.sort_by_key(|(index, _, _)| *index);
            let taken = renamed.tensors.contains_key(&name);
            let complete = !taken && self.is_complete(&parts);
            if complete {
                renamed.tensors.insert(name, change::concatenated(parts.into_iter().map(|(_, _, part)| part)));
            } else {
                left.extend(parts.into_iter().map(|(_, old, part)| (old, part)));
            }
        }
        for (old, stored) in left {
            // A new name may be somebody else's old one; the tensor of the rule keeps it.
            renamed.tensors.entry(old.clone()).or_insert(stored);
            renamed.unmatched.push(old);
        }
        renamed.unmatched.sort();
        renamed
    }

    /// Puts the slices of a tensor into their places, or gives the tensor back if it cannot be cut or a place is taken.
    fn cut(&self, old: &str, stored: Stored, into: &mut StateDict) -> Result<(), Stored> {
        let parts: Vec<&str> = old.split('.').collect();
        let slices = self.rules.iter().filter(|rule| matches!(rule.change, Change::Slice { .. }));
        let slices = slices.filter_map(|rule| {
            let captured = rule.from.captures(&parts)?;
            Some((rule.to.as_ref()?.fill(&captured, &self.constants)?, rule.change))
        });
        let slices: Vec<(String, Change)> = slices.collect();
        if slices.iter().any(|(name, change)| into.contains_key(name) || !change.fits(&stored.shape)) {
            return Err(stored);
        }
        into.extend(slices.into_iter().map(|(name, change)| (name, change.apply(stored.clone()))));
        Ok(())
    }

    /// Whether these are all parts of a tensor, and fit together.
    fn is_complete(&self, parts: &[(usize, String, Stored)]) -> bool {
        let of = parts.first().and_then(|(_, name, _)| match self.target(name)?.change {
            Change::Part { of, .. } => Some(of),
            _ => None,
        });
        of == Some(parts.len())
            && parts.iter().enumerate().all(|(place, (index, _, _))| *index == place)
            && parts
                .iter()
                .all(|(_, _, part)| !part.shape.is_empty() && part.shape.get(1..) == parts[0].2.shape.get(1..))
    }
}

impl Compiled {
    #[expect(clippy::panic, reason = "tables are constants of the program; a wrong one fails its first test")]
    fn new(from: &str, to: Option<&str>, change: Change) -> Self {
        let problem = |problem: String| -> ! { panic!("the rename rule {from:?} → {to:?}: {problem}") };
        let pattern = Pattern::parse(from).unwrap_or_else(|text| problem(text));
        let to = to.map(|to| Template::parse(to).unwrap_or_else(|text| problem(text)));
        Self { from: pattern, to, change }
    }
}

/// The largest number that names of a pattern have in the place of its capture `{n}`: the last level of a model.
///
/// ```
/// use fmr_checkpoint::rename::highest;
///
/// let names = ["up.0.conv", "up.10.conv", "down.99.conv", "up.x.conv"];
/// assert_eq!(highest("up.{n}.{rest..}", names.into_iter()), Some(10));
/// ```
///
/// # Panics
///
/// On a pattern that contradicts itself, as [`Rules::nested`].
pub fn highest<'k>(pattern: &str, names: impl Iterator<Item = &'k str>) -> Option<usize> {
    let pattern = Compiled::new(pattern, None, Change::None).from;
    let number = |name: &str| {
        let parts: Vec<&str> = name.split('.').collect();
        pattern.captures(&parts)?.get("n")?.parse().ok()
    };
    names.filter_map(number).max()
}

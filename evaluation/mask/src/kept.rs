//! The mask itself: which latent values may move.

use std::collections::BTreeMap;

use fmr_core::{GeneratorSpec, LatentBlock};
use sha2::{Digest, Sha256};

use super::layout::{groups, length, problem};
use super::{Learning, MaskError, Origin, Unit};

/// Which values of a latent may move, and where that comes from.
///
/// Values that are left out keep what the encoder gave them: they are not set to zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    layout: Vec<LatentBlock>,
    kept: Vec<bool>,
    /// What it was learned from; empty for a mask made by hand.
    pub origin: Origin,
    /// How it was learned; absent for a mask made by hand.
    pub learning: Option<Learning>,
    /// Weights of the classifier by column, in the unit of [`Learning::settings`]; empty for a mask made by hand.
    pub weights: BTreeMap<usize, f64>,
}

impl Mask {
    /// A mask over latents of that layout that keeps the values where `kept` is true.
    ///
    /// # Errors
    /// `kept` has another length than the layout, or the layout has gaps.
    pub fn new(layout: Vec<LatentBlock>, kept: Vec<bool>) -> Result<Self, MaskError> {
        if let Some(problem) = problem(&layout) {
            return Err(MaskError::Layout(problem));
        }
        let d = length(&layout);
        if kept.len() != d {
            return Err(MaskError::Layout(format!("the mask has {} values, the layout {d}", kept.len())));
        }
        Ok(Self { layout, kept, origin: Origin::default(), learning: None, weights: BTreeMap::new() })
    }

    /// A mask that keeps whole units, by their number: those of a block follow those of the blocks before it.
    ///
    /// # Errors
    /// A unit that the layout does not have, or a layout with gaps.
    pub fn of_units(
        layout: Vec<LatentBlock>,
        unit: Unit,
        units: impl IntoIterator<Item = usize>,
    ) -> Result<Self, MaskError> {
        let (of, count) = groups(&layout, unit);
        let mut chosen = vec![false; count];
        for unit_index in units {
            let slot = chosen.get_mut(unit_index);
            let wrong = || MaskError::Layout(format!("there is no {unit} {unit_index}, only {count}"));
            *slot.ok_or_else(wrong)? = true;
        }
        let kept = of.iter().map(|&g| chosen[g]).collect();
        Self::new(layout, kept)
    }

    /// The same mask with whole units kept where any value of theirs is.
    #[must_use]
    pub fn spread(mut self, unit: Unit) -> Self {
        let (of, _) = groups(&self.layout, unit);
        let chosen = self.units(unit);
        self.kept = of.iter().map(|&g| chosen[g]).collect();
        self
    }

    /// Which units have a kept value.
    pub fn units(&self, unit: Unit) -> Vec<bool> {
        let (of, count) = groups(&self.layout, unit);
        let mut chosen = vec![false; count];
        of.iter().zip(&self.kept).for_each(|(&g, &kept)| chosen[g] |= kept);
        chosen
    }

    /// Layout of the latents that it is for.
    pub fn layout(&self) -> &[LatentBlock] {
        &self.layout
    }

    /// Whether each latent value is kept.
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// Number of kept values.
    pub fn count(&self) -> usize {
        self.kept.iter().filter(|k| **k).count()
    }

    /// Percentage of units without a kept value.
    pub fn sparsity(&self, unit: Unit) -> f64 {
        let units = self.units(unit);
        100.0 * units.iter().filter(|k| !**k).count() as f64 / units.len().max(1) as f64
    }

    /// Weights for the step rule, 0 or 1 for each latent value.
    pub fn factors(&self) -> Vec<f32> {
        self.kept.iter().map(|&k| f32::from(u8::from(k))).collect()
    }

    /// Kept values of both masks over kept values of either: 1 for equal masks, 0 for disjoint ones. Two empty masks are
    /// equal.
    ///
    /// # Errors
    /// The masks are for latents of different layouts.
    pub fn jaccard(&self, other: &Self) -> Result<f64, MaskError> {
        if self.layout != other.layout {
            return Err(MaskError::Layout("masks for latents of different layouts cannot be compared".into()));
        }
        let pairs = || self.kept.iter().zip(&other.kept);
        let both = pairs().filter(|(a, b)| **a && **b).count();
        let either = pairs().filter(|(a, b)| **a || **b).count();
        Ok(if either == 0 { 1.0 } else { both as f64 / either as f64 })
    }

    /// SHA-256 of layout and kept values, in hexadecimal: what a run's fingerprint holds.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for block in &self.layout {
            hash.update(format!("{}\0{:?}\0{}\0", block.name, block.shape, block.offset));
        }
        hash.update(self.kept.iter().map(|&k| u8::from(k)).collect::<Vec<_>>());
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Weights for the step rule of a run with that generator, whose weights have that hash where it is known.
    ///
    /// # Errors
    /// The mask is for another layout, other weights or (where no hashes tell) a generator of another name; or it keeps
    /// nothing, which only `allow_empty` lets pass.
    pub fn for_run(
        &self,
        generator: &GeneratorSpec,
        weights_hash: Option<&str>,
        allow_empty: bool,
    ) -> Result<Vec<f32>, MaskError> {
        let misfit = |problem: String| MaskError::Misfit { generator: generator.name.clone(), problem };
        if self.layout != generator.latent {
            let (ours, theirs) = (shapes(&self.layout), shapes(&generator.latent));
            return Err(misfit(format!("the mask is for latents {ours}, the generator's are {theirs}")));
        }
        match (&self.origin.weights_hash, weights_hash, &self.origin.generator) {
            (Some(ours), Some(theirs), _) if ours != theirs => {
                return Err(misfit(format!("it was learned with weights {ours}, these are {theirs}")));
            }
            (Some(_), Some(_), _) => {}
            (_, _, Some(name)) if *name != generator.name => {
                return Err(misfit(format!("it was learned with the generator \"{name}\"")));
            }
            _ => {}
        }
        if self.count() == 0 && !allow_empty {
            return Err(misfit("it keeps nothing, so that no latent would move; allow that with allow-empty".into()));
        }
        Ok(self.factors())
    }
}

fn shapes(layout: &[LatentBlock]) -> String {
    let blocks: Vec<String> = layout.iter().map(|b| format!("{} {:?} at {}", b.name, b.shape, b.offset)).collect();
    blocks.join(", ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn layout(shape: &[usize]) -> Vec<LatentBlock> {
        vec![LatentBlock { name: "z".into(), shape: shape.into(), offset: 0 }]
    }

    fn generator(shape: &[usize]) -> GeneratorSpec {
        GeneratorSpec { name: "vqgan".into(), image: [3, 8, 8], latent: layout(shape) }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut mask = Mask::of_units(layout(&[2, 2, 2]), Unit::Channel, [1]).unwrap();
        let spec = generator(&[2, 2, 2]);
        assert_eq!(mask.for_run(&spec, None, false).unwrap(), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        let error = |mask: &Mask, spec: &GeneratorSpec, hash| mask.for_run(spec, hash, false).unwrap_err().to_string();
        insta::assert_snapshot!(error(&mask, &generator(&[2, 4, 4]), None), @r#"the mask does not fit generator "vqgan": the mask is for latents z [2, 2, 2] at 0, the generator's are z [2, 4, 4] at 0"#);
        mask.origin.generator = Some("diffusion".into());
        insta::assert_snapshot!(error(&mask, &spec, Some("ab")), @r#"the mask does not fit generator "vqgan": it was learned with the generator "diffusion""#);
        mask.origin.weights_hash = Some("cd".into());
        insta::assert_snapshot!(error(&mask, &spec, Some("ab")), @r#"the mask does not fit generator "vqgan": it was learned with weights cd, these are ab"#);
        assert!(mask.for_run(&spec, Some("cd"), false).is_ok(), "the hash decides, not the name");
        let empty = Mask::new(layout(&[2, 2, 2]), vec![false; 8]).unwrap();
        insta::assert_snapshot!(error(&empty, &spec, None), @r#"the mask does not fit generator "vqgan": it keeps nothing, so that no latent would move; allow that with allow-empty"#);
        assert!(empty.for_run(&spec, None, true).is_ok());
        insta::assert_snapshot!(Mask::new(layout(&[2]), vec![true]).unwrap_err(), @"the layout of the mask: the mask has 1 values, the layout 2");
        insta::assert_snapshot!(Mask::of_units(layout(&[2, 3]), Unit::Site, [3]).unwrap_err(), @"the layout of the mask: there is no site 3, only 3");
    }

    proptest! {
        #[test]
        fn a_unit_is_kept_where_any_of_its_values_is(kept in prop::collection::vec(prop::bool::weighted(0.2), 24)) {
            let mask = Mask::new(layout(&[4, 2, 3]), kept.clone()).unwrap();
            let channels = mask.clone().spread(Unit::Channel);
            let sites = mask.clone().spread(Unit::Site);
            for i in 0..24 {
                let (c, s) = (i / 6, i % 6);
                prop_assert_eq!(channels.kept()[i], (0..6).any(|s| kept[c * 6 + s]));
                prop_assert_eq!(sites.kept()[i], (0..4).any(|c| kept[c * 6 + s]));
            }
            prop_assert_eq!(mask.clone().spread(Unit::Dimension), mask.clone());
            prop_assert_eq!(mask.jaccard(&mask).unwrap(), 1.0);
            prop_assert_eq!(channels.units(Unit::Channel), mask.units(Unit::Channel));
            prop_assert_eq!(mask.hash() == channels.hash(), mask.kept() == channels.kept());
        }
    }
}

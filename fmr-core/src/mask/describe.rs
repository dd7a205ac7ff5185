//! A mask in words.

use std::fmt;

use super::{Mask, Unit};

/// Layout, origin, what is kept, and how well it was learned.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.layout().iter().map(|b| format!("{} {:?}", b.name, b.shape)).collect();
        writeln!(f, "latent      {} ({} values)", blocks.join(", "), self.kept().len())?;
        let origin = &self.origin;
        let facts = [("generator", &origin.generator), ("weights", &origin.weights_hash), ("learned on", &origin.data)];
        for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            writeln!(f, "{name:<11} {value}")?;
        }
        let units: Vec<String> = [Unit::Dimension, Unit::Channel, Unit::Site]
            .into_iter()
            .map(|unit| {
                let units = self.units(unit);
                format!("{} of {} {unit}s", units.iter().filter(|kept| **kept).count(), units.len())
            })
            .collect();
        write!(f, "kept        {}", units.join(", "))?;
        match &self.learning {
            Some(learning) => {
                let s = &learning.settings;
                let (model, latents) = (name_of(&s.model), name_of(&s.latents));
                write!(
                    f,
                    "\nlearned     {model} on {latents} latents of {} pairs, strength {}",
                    learning.pairs, s.strength
                )?;
                write!(f, "\n{}", learning.fit)
            }
            None => write!(f, "\nmade by hand"),
        }
    }
}

/// The name that a setting has in an experiment file.
fn name_of(setting: &impl serde::Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::LatentBlock;

    #[test]
    fn a_mask_made_by_hand() {
        let layout = vec![LatentBlock { name: "z".into(), shape: vec![2, 2, 2], offset: 0 }];
        let mut mask = Mask::of_units(layout, Unit::Dimension, [1, 5]).unwrap();
        mask.origin.generator = Some("vqgan".into());
        insta::assert_snapshot!(mask, @r"
        latent      z [2, 2, 2] (8 values)
        generator   vqgan
        kept        2 of 8 dimensions, 2 of 2 channels, 1 of 4 sites
        made by hand
        ");
    }
}

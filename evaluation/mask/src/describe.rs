//! A mask in words.

use std::fmt;

use fmr_core::shown;

use super::{Choose, Mask, MaskSettings, Unit};

/// Layout, origin, what is kept, and how well it was learned.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> =
            self.layout().iter().map(|b| format!("{} {:?}", shown::text(&b.name), b.shape)).collect();
        writeln!(f, "latent      {} ({} values)", blocks.join(", "), self.kept().len())?;
        let origin = &self.origin;
        let facts = [("generator", &origin.generator), ("weights", &origin.weights_hash), ("learned on", &origin.data)];
        for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            writeln!(f, "{name:<11} {}", shown::text(value))?;
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
                write!(f, "\nlearned     {model} on {latents} latents of {} pairs", learning.pairs)?;
                if let Some(differing) = learning.differing {
                    write!(f, ", which differ in {differing:.1} % of their values")?;
                }
                write!(f, "\nchosen by   {}\n{}", choice(s), learning.fit)?;
                match &learning.at_strength {
                    Some(fit) => write!(
                        f,
                        "\nbeside it   at {}: {} columns kept, sparsity {:.2} %, test score {:.2} %",
                        strength(s),
                        fit.kept,
                        fit.sparsity(),
                        fit.test_score()
                    ),
                    None => Ok(()),
                }
            }
            None => write!(f, "\nmade by hand"),
        }
    }
}

/// What the penalty was chosen by.
fn choice(s: &MaskSettings) -> String {
    match s.choose {
        Choose::Strength => strength(s),
        Choose::Sparsity => format!("a wanted sparsity of {} %", s.sparsity),
        Choose::CrossValidation => format!("the least loss over {} folds", s.folds),
        Choose::OneStandardError => format!("the loss over {} folds, within one standard error of the least", s.folds),
    }
}

fn strength(s: &MaskSettings) -> String {
    format!("strength {}, read as {}", s.strength, name_of(&s.penalty))
}

/// The name that a setting has in an experiment file.
fn name_of(setting: &impl serde::Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use fmr_core::LatentBlock;

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

//! From an oracle's class probabilities to a verdict: does it still see the true class? (`protocol`, open choice 13.)
//!
//! Decisions are on class *names*: two classes of one name (ImageNet has such pairs) are one to an oracle that reads
//! names. Ties go to the lowest index.

use std::collections::HashMap;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::SettingError;
use crate::logits::argmax;

/// When an image is accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictRule {
    /// The likeliest class is the true one: the paper's rule. An oracle that is wrong on an original refuses it.
    #[default]
    Argmax,
    /// The likeliest class is the one seen in the original, right or wrong: what can hold for all images of an oracle
    /// that errs on some.
    Unchanged,
    /// The true class leads every other by at least `margin`.
    Margin,
    /// The true class is among the `k` likeliest.
    TopK,
    /// The true class has at least probability `tau`.
    Probability,
    /// The true class has at least `share` of its probability on the reconstruction.
    Relative,
}

/// The `verdict` table of an experiment file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerdictSettings {
    /// Which rule.
    pub rule: VerdictRule,
    /// For `top-k`.
    pub k: usize,
    /// For `probability`, in [0, 1].
    pub tau: f32,
    /// For `margin`, in [0, 1].
    pub margin: f32,
    /// For `relative`, in [0, 1].
    pub share: f32,
}

impl Default for VerdictSettings {
    fn default() -> Self {
        Self { rule: VerdictRule::Argmax, k: 5, tau: 0.5, margin: 0.1, share: 0.5 }
    }
}

impl VerdictSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        SettingError::require(self.k > 0, "verdict.k", self.k, "at least 1")?;
        for (key, value) in [("verdict.tau", self.tau), ("verdict.margin", self.margin), ("verdict.share", self.share)]
        {
            SettingError::require((0.0..=1.0).contains(&value), key, value, "from 0 to 1")?;
        }
        Ok(())
    }
}

/// A rule over the classes of one data set.
#[derive(Debug, Clone)]
pub struct Verdict {
    settings: VerdictSettings,
    /// First class of the same name, for each class.
    first: Vec<usize>,
}

impl Verdict {
    /// The rule for classes of those names.
    pub fn new(settings: VerdictSettings, classes: &[String]) -> Self {
        let mut seen = HashMap::new();
        let first = classes.iter().enumerate().map(|(i, name)| *seen.entry(name.as_str()).or_insert(i)).collect();
        Self { settings, first }
    }

    /// The likeliest class, as the first of its name.
    pub fn class(&self, scores: ArrayView1<'_, f32>) -> usize {
        self.name(argmax(scores))
    }

    /// Whether two classes have one name.
    pub fn same(&self, a: usize, b: usize) -> bool {
        self.name(a) == self.name(b)
    }

    fn name(&self, class: usize) -> usize {
        self.first.get(class).copied().unwrap_or(class)
    }

    /// Whether `scores` let an image of class `label` stand; `clean` are the scores of the original, `reconstruction`
    /// those of x̂0 (the same as `scores` when x̂0 itself is judged).
    pub fn accepts(
        &self,
        scores: ArrayView1<'_, f32>,
        label: usize,
        clean: ArrayView1<'_, f32>,
        reconstruction: ArrayView1<'_, f32>,
    ) -> bool {
        let s = &self.settings;
        let of = |scores: ArrayView1<'_, f32>, own: bool| {
            scores
                .iter()
                .enumerate()
                .filter(|(i, _)| self.same(*i, label) == own)
                .fold(f32::NEG_INFINITY, |m, (_, v)| m.max(*v))
        };
        match s.rule {
            VerdictRule::Argmax => self.same(argmax(scores), label),
            VerdictRule::Unchanged => self.same(argmax(scores), argmax(clean)),
            VerdictRule::Margin => of(scores, true) - of(scores, false) >= s.margin,
            VerdictRule::TopK => {
                let own = of(scores, true);
                let mut above: Vec<usize> = scores
                    .iter()
                    .enumerate()
                    .filter(|(i, v)| **v > own && !self.same(*i, label))
                    .map(|(i, _)| self.name(i))
                    .collect();
                above.sort_unstable();
                above.dedup();
                above.len() < s.k
            }
            VerdictRule::Probability => of(scores, true) >= s.tau,
            VerdictRule::Relative => of(scores, true) >= s.share * of(reconstruction, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    fn accepts(settings: VerdictSettings, scores: &Array1<f32>, label: usize) -> bool {
        let names: Vec<String> = ["missile", "cat", "missile", "dog"].map(str::to_owned).to_vec();
        let clean = array![0.1, 0.6, 0.1, 0.2];
        Verdict::new(settings, &names).accepts(scores.view(), label, clean.view(), clean.view())
    }

    #[test]
    fn rules() {
        let scores = array![0.3_f32, 0.2, 0.3, 0.2];
        let with = |rule| VerdictSettings { rule, ..VerdictSettings::default() };
        assert!(accepts(with(VerdictRule::Argmax), &scores, 0));
        assert!(accepts(with(VerdictRule::Argmax), &scores, 2), "equal names are one class");
        assert!(!accepts(with(VerdictRule::Argmax), &scores, 1));
        assert!(!accepts(with(VerdictRule::Unchanged), &scores, 1));
        assert!(accepts(with(VerdictRule::Unchanged), &array![0.0, 0.9, 0.1, 0.0], 3));
        assert!(accepts(VerdictSettings { margin: 0.1, ..with(VerdictRule::Margin) }, &scores, 2));
        assert!(!accepts(VerdictSettings { margin: 0.2, ..with(VerdictRule::Margin) }, &scores, 2));
        assert!(accepts(VerdictSettings { k: 2, ..with(VerdictRule::TopK) }, &scores, 1));
        assert!(!accepts(VerdictSettings { k: 1, ..with(VerdictRule::TopK) }, &scores, 1));
        assert!(accepts(VerdictSettings { tau: 0.3, ..with(VerdictRule::Probability) }, &scores, 0));
        assert!(!accepts(VerdictSettings { tau: 0.4, ..with(VerdictRule::Probability) }, &scores, 0));
        assert!(!accepts(VerdictSettings { share: 0.5, ..with(VerdictRule::Relative) }, &scores, 1));
        assert!(accepts(VerdictSettings { share: 0.3, ..with(VerdictRule::Relative) }, &scores, 1));
    }
}

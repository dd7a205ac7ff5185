//! From an oracle's class probabilities to a verdict: does it still see the true class? (`protocol`, open choice 13.)
//!
//! Decisions are on class *names*: two classes of one name (ImageNet has such pairs) are one to an oracle that reads
//! names. It gives both the same probability, and so at most one half to each. The probability of a name is that of its
//! likeliest class, divided by the sum of the same over all names: what the oracle would say if it were asked for each
//! name once. Ties go to the lowest index. An oracle whose row is all [`ABSTAINS`] sees none of the classes, and no rule accepts
//! the image.

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
    /// Whether two classes have one name.
    shared: bool,
}

impl Verdict {
    /// The rule for classes of those names.
    pub fn new(settings: VerdictSettings, classes: &[String]) -> Self {
        let mut seen = HashMap::new();
        let first = classes.iter().enumerate().map(|(i, name)| *seen.entry(name.as_str()).or_insert(i)).collect();
        Self { settings, first, shared: seen.len() < classes.len() }
    }

    /// The likeliest class, as the first of its name; absent where the oracle abstains.
    pub fn class(&self, scores: ArrayView1<'_, f32>) -> Option<usize> {
        (!abstains(scores)).then(|| self.name(argmax(scores)))
    }

    /// Whether two classes have one name.
    pub fn same(&self, a: usize, b: usize) -> bool {
        self.name(a) == self.name(b)
    }

    /// Probability of the name of `class`, 0 where the oracle abstains; absent where there is no such class.
    pub fn probability(&self, scores: ArrayView1<'_, f32>, class: usize) -> Option<f32> {
        scores.get(class)?;
        if abstains(scores) {
            return Some(0.0);
        }
        self.names(scores)[self.name(class)]
    }

    /// Probability of each name, at its first class.
    fn names(&self, scores: ArrayView1<'_, f32>) -> Vec<Option<f32>> {
        let mut names = vec![None; scores.len()];
        for (class, score) in scores.iter().enumerate() {
            let name: &mut Option<f32> = &mut names[self.name(class)];
            *name = Some(name.map_or(*score, |largest| largest.max(*score)));
        }
        let sum: f32 = names.iter().flatten().sum();
        // Without shared names the probabilities stay as they are, to the last digit.
        if self.shared && sum > 0.0 {
            names.iter_mut().flatten().for_each(|p| *p /= sum);
        }
        names
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
        if abstains(scores) {
            return false;
        }
        let s = &self.settings;
        let own = |scores: ArrayView1<'_, f32>| self.probability(scores, label).unwrap_or(f32::NEG_INFINITY);
        let others = || {
            let names = self.names(scores).into_iter().enumerate();
            names.filter(|(name, _)| *name != self.name(label)).filter_map(|(_, p)| p)
        };
        match s.rule {
            VerdictRule::Argmax => self.same(argmax(scores), label),
            VerdictRule::Unchanged => self.class(clean).is_some_and(|class| self.same(argmax(scores), class)),
            VerdictRule::Margin => own(scores) - others().fold(f32::NEG_INFINITY, f32::max) >= s.margin,
            VerdictRule::TopK => others().filter(|p| *p > own(scores)).count() < s.k,
            VerdictRule::Probability => own(scores) >= s.tau,
            VerdictRule::Relative => own(scores) >= s.share * own(reconstruction),
        }
    }
}

/// What an oracle gives every class where it sees none of them: no probability, so that it cannot be one by chance.
pub const ABSTAINS: f32 = -1.0;

/// Whether an oracle sees none of the classes.
fn abstains(scores: ArrayView1<'_, f32>) -> bool {
    scores.iter().all(|score| *score == ABSTAINS)
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
        // By name: missile 3/7, cat 2/7, dog 2/7.
        let scores = array![0.3_f32, 0.2, 0.3, 0.2];
        let with = |rule| VerdictSettings { rule, ..VerdictSettings::default() };
        assert!(accepts(with(VerdictRule::Argmax), &scores, 0));
        assert!(accepts(with(VerdictRule::Argmax), &scores, 2), "equal names are one class");
        assert!(!accepts(with(VerdictRule::Argmax), &scores, 1));
        assert!(!accepts(with(VerdictRule::Unchanged), &scores, 1));
        assert!(accepts(with(VerdictRule::Unchanged), &array![0.0, 0.9, 0.1, 0.0], 3));
        assert!(accepts(VerdictSettings { margin: 0.14, ..with(VerdictRule::Margin) }, &scores, 2));
        assert!(!accepts(VerdictSettings { margin: 0.15, ..with(VerdictRule::Margin) }, &scores, 2));
        assert!(accepts(VerdictSettings { k: 2, ..with(VerdictRule::TopK) }, &scores, 1));
        assert!(!accepts(VerdictSettings { k: 1, ..with(VerdictRule::TopK) }, &scores, 1));
        assert!(accepts(VerdictSettings { tau: 0.42, ..with(VerdictRule::Probability) }, &scores, 0));
        assert!(!accepts(VerdictSettings { tau: 0.43, ..with(VerdictRule::Probability) }, &scores, 0));
        assert!(!accepts(VerdictSettings { share: 0.5, ..with(VerdictRule::Relative) }, &scores, 1));
        assert!(accepts(VerdictSettings { share: 0.42, ..with(VerdictRule::Relative) }, &scores, 1));
    }

    #[test]
    fn no_rule_accepts_an_image_on_which_the_oracle_abstains() {
        let (none, clean) = (Array1::from_elem(4, ABSTAINS), array![0.1, 0.6, 0.1, 0.2]);
        let names: Vec<String> = ["missile", "cat", "missile", "dog"].map(str::to_owned).to_vec();
        for rule in [
            VerdictRule::Argmax,
            VerdictRule::Unchanged,
            VerdictRule::Margin,
            VerdictRule::TopK,
            VerdictRule::Probability,
            VerdictRule::Relative,
        ] {
            let lax = VerdictSettings { rule, tau: 0.0, margin: 0.0, share: 0.0, ..VerdictSettings::default() };
            let verdict = Verdict::new(lax, &names);
            for label in 0..4 {
                assert!(!verdict.accepts(none.view(), label, clean.view(), clean.view()), "{rule:?}");
            }
            // What an original shows is unknown where the oracle abstains on it.
            let unknown = verdict.accepts(clean.view(), 1, none.view(), clean.view());
            assert_eq!(unknown, rule != VerdictRule::Unchanged);
            assert_eq!([verdict.class(none.view()), verdict.class(clean.view())], [None, Some(1)]);
        }
    }

    #[test]
    fn a_shared_name_can_be_certain() {
        let certain = array![0.5_f32, 0.0, 0.5, 0.0];
        let with = |rule| VerdictSettings { rule, tau: 0.99, margin: 0.99, share: 1.0, ..VerdictSettings::default() };
        for label in [0, 2] {
            for rule in [VerdictRule::Probability, VerdictRule::Margin, VerdictRule::Relative, VerdictRule::TopK] {
                assert!(accepts(with(rule), &certain, label), "{rule:?}");
            }
        }
    }

    #[test]
    fn names_of_their_own_keep_every_digit() {
        let scores = array![0.1_f32, 0.7, 0.199_999_99];
        let verdict = Verdict::new(VerdictSettings::default(), &["a", "b", "c"].map(str::to_owned));
        for (class, score) in scores.iter().enumerate() {
            assert_eq!(verdict.probability(scores.view(), class), Some(*score));
        }
        assert_eq!(verdict.probability(scores.view(), 3), None);
    }
}

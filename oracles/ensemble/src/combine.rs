//! From the members' probabilities to those of the ensemble.

use fmr_core::verdict::{ABSTAINS, Verdict};
use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

/// Share of the mean probabilities in a majority's answer: it orders classes of equally many votes, and is smaller than one
/// vote of a thousand members.
const TIE_BREAK: f32 = 1e-3;

/// How members judge together (protocol, open choice 18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The class with most votes.
    #[default]
    Majority,
    /// The class that all see; none where they differ.
    Unanimous,
    /// The class of the highest mean probability.
    Mean,
}

/// The ensemble's probabilities `[k]` of one image: the members' probabilities with their weights, `verdict` knows which
/// classes have one name. All [`ABSTAINS`] where the ensemble abstains.
pub(crate) fn combine(rule: Rule, members: &[(f32, ArrayView1<'_, f32>)], verdict: &Verdict) -> Array1<f32> {
    let classes = members.first().map_or(0, |(_, scores)| scores.len());
    let abstention = || Array1::from_elem(classes, ABSTAINS);
    let mean = mean(members, classes, verdict);
    // What is not a number must reach the engine, which says so.
    if mean.iter().any(|p| !p.is_finite()) {
        return mean;
    }
    // All members abstain.
    if mean.iter().all(|p| *p == 0.0) {
        return abstention();
    }
    match rule {
        Rule::Mean => mean,
        Rule::Unanimous => {
            let mut seen = members.iter().map(|(_, scores)| verdict.class(*scores));
            let first = seen.next().flatten();
            if first.is_some() && seen.all(|class| class == first) { mean } else { abstention() }
        }
        Rule::Majority => {
            let mut votes = Array1::<f32>::zeros(classes);
            for (weight, scores) in members {
                if let Some(class) = verdict.class(*scores) {
                    votes[class] += weight;
                }
            }
            let total: f32 = members.iter().map(|(weight, _)| weight).sum();
            (votes / total + mean * TIE_BREAK) / (1.0 + TIE_BREAK)
        }
    }
}

/// The mean of the members' probabilities; a member that abstains gives none to any class.
fn mean(members: &[(f32, ArrayView1<'_, f32>)], classes: usize, verdict: &Verdict) -> Array1<f32> {
    let mut sums = vec![0.0_f64; classes];
    for (weight, scores) in members.iter().filter(|(_, scores)| verdict.class(*scores).is_some()) {
        for (sum, p) in sums.iter_mut().zip(scores) {
            *sum += f64::from(*weight) * f64::from(*p);
        }
    }
    let total: f64 = members.iter().map(|(weight, _)| f64::from(*weight)).sum();
    sums.into_iter().map(|sum| (sum / total) as f32).collect()
}

#[cfg(test)]
mod tests {
    use fmr_core::logits::argmax;
    use fmr_core::verdict::VerdictSettings;
    use ndarray::{array, aview1};

    use super::*;

    fn of(rule: Rule, members: &[(f32, [f32; 3])], names: [&str; 3]) -> Array1<f32> {
        let verdict = Verdict::new(VerdictSettings::default(), &names.map(str::to_owned));
        let members: Vec<_> = members.iter().map(|(weight, scores)| (*weight, aview1(scores))).collect();
        combine(rule, &members, &verdict)
    }

    const NAMES: [&str; 3] = ["cat", "dog", "frog"];

    #[test]
    fn most_votes_win_and_weights_count() {
        let members = [(1.0, [0.6, 0.4, 0.0]), (1.0, [0.6, 0.4, 0.0]), (1.0, [0.0, 1.0, 0.0])];
        let votes = of(Rule::Majority, &members, NAMES);
        assert_eq!(argmax(votes.view()), 0);
        assert!((votes[0] - 2.0 / 3.0).abs() < 1e-3 && (votes.sum() - 1.0).abs() < 1e-6);
        // The mean sees it otherwise, and so does a majority in which the third has two and a half votes.
        assert_eq!(argmax(of(Rule::Mean, &members, NAMES).view()), 1);
        let weighted = [(1.0, members[0].1), (1.0, members[1].1), (2.5, members[2].1)];
        assert_eq!(argmax(of(Rule::Majority, &weighted, NAMES).view()), 1);
    }

    #[test]
    fn equal_votes_go_to_the_higher_mean() {
        let members = [(1.0, [0.6, 0.4, 0.0]), (1.0, [0.1, 0.9, 0.0])];
        assert_eq!(argmax(of(Rule::Majority, &members, NAMES).view()), 1);
    }

    #[test]
    fn a_dispute_is_an_abstention_where_all_must_agree() {
        let agreed = [(1.0, [0.6, 0.4, 0.0]), (3.0, [1.0, 0.0, 0.0])];
        assert_eq!(of(Rule::Unanimous, &agreed, NAMES), array![0.9, 0.1, 0.0]);
        let abstention = array![ABSTAINS, ABSTAINS, ABSTAINS];
        let disputed = [(1.0, [0.6, 0.4, 0.0]), (1.0, [0.4, 0.6, 0.0])];
        assert_eq!(of(Rule::Unanimous, &disputed, NAMES), abstention);
        let silent = [(1.0, [0.6, 0.4, 0.0]), (1.0, [ABSTAINS; 3])];
        assert_eq!(of(Rule::Unanimous, &silent, NAMES), abstention);
    }

    #[test]
    fn classes_of_one_name_are_one_vote() {
        let names = ["crane", "dog", "crane"];
        let members = [(1.0, [0.6, 0.4, 0.0]), (1.0, [0.0, 0.4, 0.6]), (1.0, [0.1, 0.9, 0.0])];
        assert_eq!(argmax(of(Rule::Majority, &members, names).view()), 0);
        assert!(of(Rule::Unanimous, &members[..2], names).sum() > 0.0);
    }

    #[test]
    fn a_member_that_abstains_has_no_vote() {
        let silent = [(1.0, [ABSTAINS; 3]), (1.0, [ABSTAINS; 3])];
        for rule in [Rule::Majority, Rule::Unanimous, Rule::Mean] {
            assert_eq!(of(rule, &silent, NAMES), array![ABSTAINS, ABSTAINS, ABSTAINS]);
        }
        // One voice is left.
        let one = [(3.0, [ABSTAINS; 3]), (1.0, [0.1, 0.9, 0.0])];
        assert_eq!(argmax(of(Rule::Majority, &one, NAMES).view()), 1);
        assert_eq!(of(Rule::Mean, &one, NAMES), array![0.025, 0.225, 0.0]);
    }

    #[test]
    fn what_is_not_a_number_is_not_hidden() {
        let members = [(1.0, [f32::NAN, 0.4, 0.0]), (1.0, [0.1, 0.9, 0.0])];
        for rule in [Rule::Majority, Rule::Unanimous, Rule::Mean] {
            assert!(of(rule, &members, NAMES)[0].is_nan(), "{rule:?}");
        }
    }
}

//! What came of a round: who looks closely, how far people agree, and what the majority says.

use std::collections::BTreeMap;

use fmr_core::metrics::{Votes, cohens_kappa, fleiss_kappa, gwets_ac1, pairwise_agreement};

use crate::question::Answer;
use crate::round::Round;
use crate::verdicts::{Verdict, VerdictError, Verdicts};

/// Whose verdicts count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Least share of controls that somebody must get right, from 0 to 1.
    pub least_accuracy: f64,
    /// Controls that somebody must have judged before this can be told; before, all verdicts count.
    pub least_controls: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { least_accuracy: 0.8, least_controls: 5 }
    }
}

/// One person.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotator {
    /// Name.
    pub name: String,
    /// Images judged.
    pub judged: usize,
    /// Of these, controls.
    pub controls: usize,
    /// Of these, right.
    pub right: usize,
    /// Median of the seconds that an image was looked at.
    pub seconds: f64,
    /// Whether the verdicts count.
    pub counts: bool,
}

/// What came of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// Everybody who judged, by name.
    pub annotators: Vec<Annotator>,
    /// For each task whether the majority of those who count sees the true class; absent where none of them judged it.
    /// Where the votes are equal, it does not.
    pub accepted: Vec<Option<bool>>,
    /// For each task the number of verdicts that count.
    pub votes: Vec<usize>,
    /// Share of agreeing pairs of people, and the number of images that at least two judged.
    pub agreement: Option<(f64, usize)>,
    /// Fleiss' κ over these images.
    pub fleiss: Option<f64>,
    /// Gwet's AC1 over these images.
    pub ac1: Option<f64>,
    /// Cohen's κ of every two people who judged images in common, with the number of these.
    pub pairs: Vec<(String, String, Option<f64>, usize)>,
}

impl Findings {
    /// Reads the verdicts of a round.
    ///
    /// # Errors
    /// The verdicts cannot be read.
    pub fn of(round: &Round, verdicts: &Verdicts, rules: Rules) -> Result<Self, VerdictError> {
        let read = |task: &crate::Task| verdicts.of(task.image, &task.question);
        let said = round.tasks.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let annotators = annotators(round, &said, rules);
        let counts: BTreeMap<&str, bool> = annotators.iter().map(|who| (who.name.as_str(), who.counts)).collect();
        let kept: Vec<Vec<&Verdict>> =
            said.iter().map(|all| all.iter().filter(|verdict| counts[verdict.annotator.as_str()]).collect()).collect();
        let majority = |(task, verdicts): (&crate::Task, &Vec<&Verdict>)| {
            let sees = verdicts.iter().filter(|verdict| task.question.sees(verdict.answer, task.label)).count();
            (!verdicts.is_empty()).then_some(2 * sees > verdicts.len())
        };
        let accepted = round.tasks.iter().zip(&kept).map(majority).collect();
        let things: Vec<Votes> = kept.iter().map(|verdicts| tally(verdicts)).collect();
        Ok(Self {
            accepted,
            votes: kept.iter().map(Vec::len).collect(),
            agreement: pairwise_agreement(&things),
            fleiss: fleiss_kappa(&things),
            ac1: gwets_ac1(&things),
            pairs: pairs(&annotators, &kept),
            annotators,
        })
    }
}

fn annotators(round: &Round, said: &[Vec<Verdict>], rules: Rules) -> Vec<Annotator> {
    let mut of: BTreeMap<&str, (Vec<f64>, usize, usize)> = BTreeMap::new();
    for (task, verdicts) in round.tasks.iter().zip(said) {
        for verdict in verdicts {
            let (seconds, controls, right) = of.entry(&verdict.annotator).or_default();
            seconds.push(verdict.seconds);
            *controls += usize::from(task.control);
            *right += usize::from(task.control && task.question.sees(verdict.answer, task.label));
        }
    }
    let annotator = |(name, (mut seconds, controls, right)): (&str, (Vec<f64>, usize, usize))| {
        seconds.sort_by(f64::total_cmp);
        Annotator {
            name: name.to_owned(),
            judged: seconds.len(),
            controls,
            right,
            seconds: seconds[seconds.len() / 2],
            counts: controls < rules.least_controls || right as f64 >= rules.least_accuracy * controls as f64,
        }
    };
    of.into_iter().map(annotator).collect()
}

/// How often each answer was given.
fn tally(verdicts: &[&Verdict]) -> Votes {
    let category = |answer: Answer| match answer {
        Answer::CannotTell | Answer::No => 0,
        Answer::Yes => 1,
        Answer::Class(class) => class + 1,
    };
    let mut votes = Vec::new();
    for verdict in verdicts {
        let category = category(verdict.answer);
        votes.resize(votes.len().max(category + 1), 0);
        votes[category] += 1;
    }
    votes
}

fn pairs(annotators: &[Annotator], kept: &[Vec<&Verdict>]) -> Vec<(String, String, Option<f64>, usize)> {
    let counted: Vec<&Annotator> = annotators.iter().filter(|who| who.counts).collect();
    let mut found = Vec::new();
    for (at, a) in counted.iter().enumerate() {
        for b in &counted[at + 1..] {
            let answer = |verdicts: &[&Verdict], name: &str| {
                verdicts.iter().find(|verdict| verdict.annotator == name).map(|verdict| verdict.answer)
            };
            let both = kept.iter().filter_map(|all| Some((answer(all, &a.name)?, answer(all, &b.name)?)));
            let both: Vec<(Answer, Answer)> = both.collect();
            if !both.is_empty() {
                found.push((a.name.clone(), b.name.clone(), cohens_kappa(both.iter().copied()), both.len()));
            }
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{EightBit, Question, Task};

    #[test]
    fn who_does_not_look_is_left_out_and_the_majority_of_the_others_counts() {
        let home = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::open(&home.path().join("v.sqlite")).unwrap();
        let question = Question::about(0, &["cat", "dog"].map(str::to_owned));
        let task = |at: u8| Task {
            image: EightBit([at; 32]),
            question: question.clone(),
            label: 0,
            sample: usize::from(at),
            control: at < 5,
        };
        let round = Round { tasks: (0..8).map(task).collect(), seed: 0 };
        // Ann and Bob look; Cat says dog to everything.
        let says = |who: &str, at: usize| match (who, at) {
            ("cat", _) | ("bob", 6) | (_, 7) => Answer::Class(1),
            _ => Answer::Class(0),
        };
        for who in ["ann", "bob", "cat"] {
            for (at, task) in round.tasks.iter().enumerate() {
                let verdict = Verdict { annotator: who.to_owned(), answer: says(who, at), seconds: 1.0 };
                verdicts.add(task.image, &task.question, &verdict, &format!("{at}")).unwrap();
            }
        }
        let found = Findings::of(&round, &verdicts, Rules::default()).unwrap();
        let counts: Vec<_> = found.annotators.iter().map(|who| (who.name.as_str(), who.right, who.counts)).collect();
        assert_eq!(counts, [("ann", 5, true), ("bob", 5, true), ("cat", 0, false)]);
        let majority =
            [Some(true), Some(true), Some(true), Some(true), Some(true), Some(true), Some(false), Some(false)];
        assert_eq!(found.accepted, majority);
        assert_eq!((found.votes[0], found.agreement), (2, Some((0.875, 8))));
        assert_eq!(found.pairs.len(), 1);
        // By hand: 6 times both say cat, once both dog, once they differ.
        let kappa = (0.875 - (7.0 * 6.0 + 1.0 * 2.0) / 64.0) / (1.0 - (7.0 * 6.0 + 1.0 * 2.0) / 64.0);
        assert!((found.pairs[0].2.unwrap() - kappa).abs() < 1e-12);
        // With less to go by, nobody is left out.
        let lax = Findings::of(&round, &verdicts, Rules { least_controls: 6, ..Rules::default() }).unwrap();
        assert!(lax.annotators.iter().all(|who| who.counts));
        assert_eq!(lax.accepted[6], Some(false));
    }
}

//! What people are asked, and in which order.

use sha2::{Digest as _, Sha256};

use crate::question::{EightBit, Question};
use crate::verdicts::{VerdictError, Verdicts};

/// One image to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The image, as people see it.
    pub image: EightBit,
    /// The question.
    pub question: Question,
    /// True class of the sample that the image is of.
    pub label: usize,
    /// Number of that sample; no two images of one are shown in a row.
    pub sample: usize,
    /// Whether it is an original, whose answer is known: it tells who looks closely.
    pub control: bool,
}

/// Images to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// The images.
    pub tasks: Vec<Task>,
    /// Seed of the order.
    pub seed: u64,
}

impl Round {
    /// The places of all tasks in the order in which somebody is shown them: a different one for every person.
    pub fn order(&self, annotator: &str) -> Vec<usize> {
        let mut keyed: Vec<([u8; 32], usize)> = self
            .tasks
            .iter()
            .enumerate()
            .map(|(at, task)| {
                let hash = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(annotator);
                let hash = hash.chain_update([0]).chain_update(task.image.0).chain_update(task.question.to_string());
                (hash.finalize().into(), at)
            })
            .collect();
        keyed.sort_unstable();
        let mut left: Vec<usize> = keyed.into_iter().rev().map(|(_, at)| at).collect();
        let mut order = Vec::with_capacity(left.len());
        let mut last = None;
        while !left.is_empty() {
            // The next of a different sample, where there is one.
            let at = left.iter().rposition(|at| Some(self.tasks[*at].sample) != last).unwrap_or(left.len() - 1);
            let task = left.remove(at);
            last = Some(self.tasks[task].sample);
            order.push(task);
        }
        order
    }

    /// Names of the tasks that tell nothing about them, for addresses.
    ///
    /// # Errors
    /// The verdicts cannot be read.
    pub fn names(&self, verdicts: &Verdicts) -> Result<Vec<String>, VerdictError> {
        let secret = verdicts.secret()?;
        let name = |task: &Task| {
            let hash = Sha256::new().chain_update(secret).chain_update(task.image.0);
            let hash = hash.chain_update(task.question.to_string()).chain_update([u8::from(task.control)]).finalize();
            hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        };
        Ok(self.tasks.iter().map(name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(n: usize) -> Round {
        let question = Question::about(0, &["cat", "dog"].map(str::to_owned));
        let task = |at: usize| Task {
            image: EightBit([at as u8; 32]),
            question: question.clone(),
            label: 0,
            sample: at / 2,
            control: at.is_multiple_of(2),
        };
        Round { tasks: (0..n).map(task).collect(), seed: 1 }
    }

    #[test]
    fn everybody_sees_all_in_an_own_order() {
        let round = round(40);
        let (ann, bob) = (round.order("ann"), round.order("bob"));
        assert_ne!(ann, bob);
        assert_eq!(ann, round.order("ann"));
        assert_ne!(ann, Round { seed: 2, ..round.clone() }.order("ann"));
        for order in [&ann, &bob] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..40).collect::<Vec<_>>());
            let samples: Vec<usize> = order.iter().map(|at| round.tasks[*at].sample).collect();
            let twice = samples.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!(twice <= 1, "two images of one sample in a row: {samples:?}");
        }
    }
}

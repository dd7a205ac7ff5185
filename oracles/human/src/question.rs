//! What people are shown and asked.

use std::fmt;

use fmr_data::pixels::to_u8;
use ndarray::ArrayView3;
use sha2::{Digest as _, Sha256};

/// Names an image `[c, h, w]` by what people see of it: SHA-256 of its shape (three little-endian `u64`) and of its values
/// in 8 bits, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EightBit(pub [u8; 32]);

impl EightBit {
    /// The name of an image of values in [0, 1].
    pub fn of(image: ArrayView3<'_, f32>) -> Self {
        let mut hash = Sha256::new();
        for side in image.shape() {
            hash.update((*side as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = image.iter().map(|value| to_u8(*value)).collect();
        Self(hash.chain_update(&bytes).finalize().into())
    }
}

/// What people are asked about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The class in question; absent where people choose among all.
    pub class: Option<usize>,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
}

/// Classes that people choose among; of more they are asked about one.
const MOST_CHOICES: usize = 12;

impl Question {
    /// The question about an image whose true class is `label`: which of the classes it shows, or, where these are too
    /// many to choose from, whether it still shows the true one.
    pub fn about(label: usize, classes: &[String]) -> Self {
        Self { class: (classes.len() > MOST_CHOICES).then_some(label), classes: classes.to_vec() }
    }

    /// What people may answer.
    pub fn answers(&self) -> Vec<Answer> {
        let own = match self.class {
            Some(_) => vec![Answer::Yes, Answer::No],
            None => (0..self.classes.len()).map(Answer::Class).collect(),
        };
        own.into_iter().chain([Answer::CannotTell]).collect()
    }

    /// Name of a class; its number where it has none.
    pub fn name(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Whether an answer sees the class `label`.
    pub fn sees(&self, answer: Answer, label: usize) -> bool {
        match answer {
            Answer::Class(class) => class == label || self.name(class) == self.name(label),
            Answer::Yes => self.class == Some(label),
            Answer::No | Answer::CannotTell => false,
        }
    }
}

/// In words.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Some(class) => write!(f, "Does this image show: {}?", self.name(class)),
            None => f.write_str("What does this image show?"),
        }
    }
}

/// What somebody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// This class.
    Class(usize),
    /// The class in question.
    Yes,
    /// Not the class in question.
    No,
    /// Nothing that can be told.
    CannotTell,
}

/// As databases and forms hold it: `class 3`, `yes`, `no`, `cannot-tell`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "class {class}"),
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::CannotTell => f.write_str("cannot-tell"),
        }
    }
}

/// A text that is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no answer")]
pub struct NoAnswer(String);

impl std::str::FromStr for Answer {
    type Err = NoAnswer;

    fn from_str(text: &str) -> Result<Self, NoAnswer> {
        let class = text.strip_prefix("class ").and_then(|number| number.parse().ok()).map(Self::Class);
        let plain = [Self::Yes, Self::No, Self::CannotTell].into_iter().find(|answer| answer.to_string() == text);
        class.or(plain).ok_or_else(|| NoAnswer(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn images_that_look_alike_have_one_name() {
        let image = Array3::from_elem((1, 2, 3), 0.5_f32);
        assert_eq!(EightBit::of(image.view()), EightBit::of(image.mapv(|v| v + 1e-4).view()));
        assert_ne!(EightBit::of(image.view()), EightBit::of(image.mapv(|v| v + 0.01).view()));
        let turned = Array3::from_elem((1, 3, 2), 0.5_f32);
        assert_ne!(EightBit::of(image.view()), EightBit::of(turned.view()));
    }

    #[test]
    fn answers_come_back() {
        let names: Vec<String> = (0..13).map(|class| format!("c{class}")).collect();
        let few = Question::about(2, &names[..3]);
        let many = Question::about(2, &names);
        assert_eq!((few.answers().len(), many.answers()), (4, vec![Answer::Yes, Answer::No, Answer::CannotTell]));
        for answer in few.answers().into_iter().chain(many.answers()) {
            assert_eq!(answer.to_string().parse(), Ok(answer));
        }
        assert!("class x".parse::<Answer>().is_err() && "maybe".parse::<Answer>().is_err());
        assert!(few.sees(Answer::Class(2), 2) && !few.sees(Answer::Class(1), 2) && !few.sees(Answer::CannotTell, 2));
        assert!(many.sees(Answer::Yes, 2) && !many.sees(Answer::No, 2));
    }
}

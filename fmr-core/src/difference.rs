//! How two results of one sample differ, to the last bit.

use serde::{Deserialize, Serialize};

use crate::SampleRecord;
use crate::perturb::{Answer, Answers, Perturbed};

/// Largest absolute differences between two results, by the kind of number; 0 where there is none, infinite where only
/// one of two numbers is finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Difference {
    /// Of scores.
    #[serde(with = "or_infinite")]
    pub score: f64,
    /// Of norms of gradients.
    #[serde(with = "or_infinite")]
    pub gradient_norm: f64,
    /// Of the oracle's probabilities.
    #[serde(with = "or_infinite")]
    pub probability: f64,
    /// Of the target's logits.
    #[serde(with = "or_infinite")]
    pub logit: f64,
    /// Of latent values.
    #[serde(with = "or_infinite")]
    pub latent: f64,
    /// Of pixels, whose range is [0, 1].
    #[serde(with = "or_infinite")]
    pub pixel: f64,
}

/// JSON has no infinity: it is written as null.
pub(crate) mod or_infinite {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { s.serialize_some(value) } else { s.serialize_none() }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(d)?.unwrap_or(f64::INFINITY))
    }
}

impl Difference {
    /// The kinds with their names, in the order of the fields.
    pub fn kinds(&self) -> [(&'static str, f64); 6] {
        [
            ("score", self.score),
            ("gradient norm", self.gradient_norm),
            ("probability", self.probability),
            ("logit", self.logit),
            ("latent value", self.latent),
            ("pixel", self.pixel),
        ]
    }

    /// The largest of all kinds.
    pub fn largest(&self) -> f64 {
        self.kinds().into_iter().fold(0.0, |largest, (_, difference)| largest.max(difference))
    }

    /// The larger of two differences, kind by kind.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        Self {
            score: self.score.max(other.score),
            gradient_norm: self.gradient_norm.max(other.gradient_norm),
            probability: self.probability.max(other.probability),
            logit: self.logit.max(other.logit),
            latent: self.latent.max(other.latent),
            pixel: self.pixel.max(other.pixel),
        }
    }
}

/// A comparison under way.
#[derive(Default)]
struct Comparison {
    differs: bool,
    found: Difference,
}

impl Comparison {
    /// Compares two lists of numbers of one kind. NaN equals itself; zeros of different sign differ.
    fn numbers(
        &mut self,
        kind: fn(&mut Difference) -> &mut f64,
        a: impl IntoIterator<Item = f64>,
        b: impl IntoIterator<Item = f64>,
    ) {
        let (mut a, mut b) = (a.into_iter(), b.into_iter());
        loop {
            let (a, b) = match (a.next(), b.next()) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => return,
                _ => {
                    self.differs = true;
                    return;
                }
            };
            if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) {
                continue;
            }
            self.differs = true;
            let difference = if a.is_finite() && b.is_finite() { (a - b).abs() } else { f64::INFINITY };
            let largest = kind(&mut self.found);
            *largest = largest.max(difference);
        }
    }

    fn floats<'v>(
        &mut self,
        kind: fn(&mut Difference) -> &mut f64,
        a: impl IntoIterator<Item = &'v f32>,
        b: impl IntoIterator<Item = &'v f32>,
    ) {
        let wide = |v: &f32| f64::from(*v);
        self.numbers(kind, a.into_iter().map(wide), b.into_iter().map(wide));
    }

    fn records(&mut self, a: &SampleRecord, b: &SampleRecord) {
        self.differs |= a.without_numbers() != b.without_numbers();
        let scores = |r: &SampleRecord| {
            [r.score0, r.final_score].into_iter().chain(r.steps.iter().map(|s| s.score)).collect::<Vec<_>>()
        };
        self.numbers(|d| &mut d.score, scores(a), scores(b));
        let norms = |r: &SampleRecord| r.steps.iter().map(|s| s.gradient_norm).collect::<Vec<_>>();
        self.numbers(|d| &mut d.gradient_norm, norms(a), norms(b));
        let oracle = |r: &SampleRecord| r.steps.iter().filter_map(|s| s.oracle_true).collect::<Vec<f32>>();
        self.floats(|d| &mut d.probability, &oracle(a), &oracle(b));
        self.numbers(|d| &mut d.latent, [a.latent_moved], [b.latent_moved]);
        self.numbers(|d| &mut d.latent, a.moved_spreads, b.moved_spreads);
    }

    fn answers(&mut self, a: &Answer, b: &Answer) {
        self.floats(|d| &mut d.logit, &a.logits, &b.logits);
        self.floats(|d| &mut d.probability, &a.oracle, &b.oracle);
    }

    /// What was found; `None` where nothing differs.
    fn finish(self) -> Option<Difference> {
        self.differs.then_some(self.found)
    }
}

impl SampleRecord {
    /// How this record differs from `other`; `None` where they are the same to the last bit. NaN equals itself. A
    /// record that differs only in classes, outcome or number of steps differs by 0 in every kind of number.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let mut comparison = Comparison::default();
        comparison.records(self, other);
        comparison.finish()
    }

    /// The record with every float in the same place replaced by 0: all but the numbers.
    fn without_numbers(&self) -> Self {
        let mut record = Self { score0: 0.0, final_score: 0.0, latent_moved: 0.0, moved_spreads: None, ..self.clone() };
        for step in &mut record.steps {
            (step.score, step.gradient_norm) = (0.0, 0.0);
            step.oracle_true = step.oracle_true.map(|_| 0.0);
        }
        record
    }
}

impl Perturbed {
    /// How this result differs from `other`, a result of the same sample: in records, images, latents or answers. `None`
    /// where they are the same to the last bit. NaN equals itself. What a cache knew does not count.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let mut comparison = Comparison::default();
        comparison.records(&self.record, &other.record);
        let images = [
            (&self.original, &other.original),
            (&self.reconstruction, &other.reconstruction),
            (&self.final_image, &other.final_image),
        ];
        for (a, b) in images {
            comparison.differs |= a.shape() != b.shape();
            comparison.floats(|d| &mut d.pixel, a, b);
        }
        let (Answers { original, reconstruction, final_image }, answers) = (&self.answers, &other.answers);
        comparison.answers(original, &answers.original);
        comparison.answers(reconstruction, &answers.reconstruction);
        comparison.answers(final_image, &answers.final_image);
        comparison.floats(|d| &mut d.latent, &self.final_latent, &other.final_latent);
        comparison.finish()
    }
}

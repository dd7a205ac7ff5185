//! What a run knows of a row beyond its samples, and how the facts of two parts become those of both.

use fmr_core::perturb::{BlockSpread, CacheUse, Perturbed, Spread};
use fmr_core::validity::{CacheFacts, LogitsFacts, RepeatFacts};
use fmr_mask::MaskFigures;
use ndarray::ArrayView1;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::value::{Sql, to_i64, unreadable, unwritable};

/// Names of a row's components, as they call themselves, and what they say of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ComponentNames {
    /// θ.
    pub target: String,
    /// g.
    pub generator: String,
    /// h.
    pub oracle: String,
    /// What the target does to an image before its model sees it, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_preprocessing: Option<String>,
    /// The same of the oracle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle_preprocessing: Option<String>,
}

/// What a run knows of a row beyond its samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RowFacts {
    /// Names of the components; absent until the row begins.
    pub components: Option<ComponentNames>,
    /// Wall seconds, without those of learning the mask; absent where no time was taken.
    pub seconds: Option<f64>,
    /// The target's outputs on final images.
    pub logits: LogitsFacts,
    /// What a cache gave.
    pub cache: CacheFacts,
    /// What came of doing some samples twice; absent until they were.
    pub repeated: Option<RepeatFacts>,
    /// The mask that the search runs with; absent without one, and until it is ready.
    pub mask: Option<MaskFigures>,
    /// How far the generator's encodings spread; absent where the search does not ask, and until it is known.
    pub spread: Option<Spread>,
    /// Standard accuracy, from 0 to 1, that is published for the target on data of these classes.
    pub published_accuracy: Option<f64>,
    /// Sentences about the row's images and classes that a reader of its figures must know.
    pub remarks: Vec<String>,
}

/// Facts that cannot be those of one row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} was {ours} in one and {theirs} in the other")]
pub struct FactsConflict {
    /// What differs.
    pub what: &'static str,
    /// Its value in the first.
    pub ours: String,
    /// Its value in the second.
    pub theirs: String,
}

impl RowFacts {
    /// The facts of a batch that took some seconds.
    pub(super) fn of_batch(batch: &[Perturbed], seconds: f64) -> Self {
        let mut facts = Self { seconds: (seconds > 0.0).then_some(seconds), ..Self::default() };
        for sample in batch {
            facts.count(sample.final_logits(), sample.cached);
        }
        facts
    }

    /// Counts one sample.
    pub(super) fn count(&mut self, final_logits: ArrayView1<'_, f32>, cached: CacheUse) {
        self.logits.add(final_logits);
        self.cache.add(cached);
    }

    /// Adds the facts of other samples of the same row: counts and seconds add up, of largest differences the larger
    /// stands, and results repeat only where both checks found nothing.
    ///
    /// # Errors
    /// Names of components or masks differ; `self` is unchanged then.
    pub fn merge(&mut self, other: &Self) -> Result<(), FactsConflict> {
        if let (Some(ours), Some(theirs)) = (&self.components, &other.components) {
            let pairs = [
                ("the target", &ours.target, &theirs.target),
                ("the generator", &ours.generator, &theirs.generator),
                ("the oracle", &ours.oracle, &theirs.oracle),
            ];
            for (what, ours, theirs) in pairs {
                expect_same(what, ours, theirs)?;
            }
        }
        if let (Some(ours), Some(theirs)) = (&self.mask, &other.mask) {
            expect_same("the mask", &ours.hash, &theirs.hash)?;
        }
        if let (Some(ours), Some(theirs)) = (&self.spread, &other.spread)
            && ours != theirs
        {
            let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
            return Err(FactsConflict { what: "the spread of the encodings", ours, theirs });
        }
        let sum = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        self.components = self.components.take().or_else(|| other.components.clone());
        self.seconds = sum(self.seconds, other.seconds);
        let new = other.remarks.iter().filter(|remark| !self.remarks.contains(remark)).cloned().collect::<Vec<_>>();
        self.remarks.extend(new);
        self.published_accuracy = self.published_accuracy.or(other.published_accuracy);
        self.spread = self.spread.take().or_else(|| other.spread.clone());
        self.logits.merge(&other.logits);
        self.cache.merge(&other.cache);
        match (&mut self.repeated, other.repeated) {
            (Some(ours), Some(theirs)) => ours.merge(&theirs),
            (ours, theirs) => *ours = ours.or(theirs),
        }
        match (&mut self.mask, &other.mask) {
            (Some(ours), Some(theirs)) => ours.seconds = sum(ours.seconds, theirs.seconds),
            (ours, theirs) => *ours = ours.take().or_else(|| theirs.clone()),
        }
        Ok(())
    }

    /// What no run can have written.
    fn problem(&self) -> Option<&'static str> {
        let bad = |seconds: Option<f64>| seconds.is_some_and(|s| !s.is_finite() || s < 0.0);
        if bad(self.seconds) || self.mask.as_ref().is_some_and(|mask| bad(mask.seconds)) {
            return Some("a time that is none");
        }
        if self.published_accuracy.is_some_and(|accuracy| !(0.0..=1.0).contains(&accuracy)) {
            return Some("an accuracy that is none");
        }
        let unsound = |block: &BlockSpread| !block.deviation.is_finite() || block.deviation < 0.0;
        if self.spread.as_ref().is_some_and(|spread| spread.blocks.iter().any(unsound)) {
            return Some("a spread that is none");
        }
        if self.logits.like_probabilities > self.logits.rows || self.cache.contradicted > self.cache.known {
            return Some("more of a kind than there are");
        }
        let mask = self.mask.as_ref().is_some_and(|mask| mask.kept > mask.values);
        mask.then_some("a mask that keeps more values than there are")
    }
}

fn expect_same(what: &'static str, ours: &str, theirs: &str) -> Result<(), FactsConflict> {
    if ours == theirs {
        return Ok(());
    }
    Err(FactsConflict { what, ours: format!("{ours:?}"), theirs: format!("{theirs:?}") })
}

/// The facts of a row.
pub(super) fn read(database: &Connection, row: usize) -> Sql<RowFacts> {
    let mut statement = database.prepare_cached("SELECT facts FROM facts WHERE row = ?")?;
    let text: Option<String> = statement.query_row([to_i64(row)?], |found| found.get(0)).optional()?;
    let Some(text) = text else { return Ok(RowFacts::default()) };
    let facts: RowFacts = serde_json::from_str(&text).map_err(|e| unreadable(0, format!("facts of a row: {e}")))?;
    match facts.problem() {
        Some(problem) => Err(unreadable(0, format!("facts of a row: {problem}"))),
        None => Ok(facts),
    }
}

/// Puts facts in the place of those that a row had.
pub(super) fn write(transaction: &Transaction<'_>, row: usize, facts: &RowFacts) -> Sql<()> {
    let text = serde_json::to_string(facts).map_err(unwritable)?;
    let mut statement = transaction.prepare_cached("INSERT OR REPLACE INTO facts (row, facts) VALUES (?, ?)")?;
    statement.execute((to_i64(row)?, text)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(seconds: f64, rows: usize, target: &str) -> RowFacts {
        let name = str::to_owned;
        RowFacts {
            components: Some(ComponentNames {
                target: name(target),
                generator: name("g"),
                oracle: name("h"),
                ..ComponentNames::default()
            }),
            seconds: Some(seconds),
            logits: LogitsFacts { rows, like_probabilities: 1 },
            cache: CacheFacts { known: rows, contradicted: 0 },
            repeated: Some(RepeatFacts { samples: 1, ..RepeatFacts::default() }),
            mask: None,
            spread: None,
            published_accuracy: None,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn parts_of_a_run_agree_on_the_spread() {
        let block = |deviation| BlockSpread { name: "z".to_owned(), values: 4, deviation };
        let spread = |deviation| Some(Spread { images: 64, blocks: vec![block(deviation)] });
        let mut all = RowFacts { spread: spread(0.5), ..RowFacts::default() };
        assert_eq!(all.merge(&RowFacts { spread: spread(0.5), ..RowFacts::default() }), Ok(()));
        let other = RowFacts { spread: spread(0.75), ..RowFacts::default() };
        assert_eq!(all.merge(&other).map_err(|conflict| conflict.what), Err("the spread of the encodings"));
        assert_eq!(all.spread, spread(0.5));
        assert!(RowFacts { spread: spread(f64::NAN), ..RowFacts::default() }.problem().is_some());
    }

    #[test]
    fn facts_of_two_parts_become_those_of_both() {
        let mut all = facts(1.5, 3, "lenet");
        assert_eq!(all.merge(&facts(0.25, 4, "lenet")), Ok(()));
        let repeated = Some(RepeatFacts { samples: 2, ..RepeatFacts::default() });
        let logits = LogitsFacts { rows: 7, like_probabilities: 2 };
        assert_eq!(all, RowFacts { repeated, logits, ..facts(1.75, 7, "lenet") });
        // What one part does not know the other tells.
        let mut none = RowFacts::default();
        assert_eq!(none.merge(&all), Ok(()));
        assert_eq!(none, all);
        assert_eq!(none.merge(&RowFacts::default()), Ok(()));
        assert_eq!(none, all);
    }

    #[test]
    fn facts_of_different_rows_do_not_mix() {
        let mut ours = facts(1.0, 3, "lenet");
        let conflict = ours.merge(&facts(1.0, 3, "resnet")).err().map(|e| e.to_string());
        assert_eq!(conflict.as_deref(), Some(r#"the target was "lenet" in one and "resnet" in the other"#));
        assert_eq!(ours, facts(1.0, 3, "lenet"));
    }
}

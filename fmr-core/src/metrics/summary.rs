//! The summary of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::average::macro_average;
use super::{Average, Figures, MetricsSettings, Reading};
use crate::SampleRecord;

/// Figures of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClassFigures {
    /// Index of the class.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: Figures,
}

/// A sample that failed. Failed samples are always listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// Name of the sample.
    pub key: String,
    /// Update at which it failed; 0 before the first.
    pub at: usize,
    /// What failed.
    pub error: String,
}

/// What a run found: overall, by class, and what failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// The settings it was made with.
    pub settings: MetricsSettings,
    /// Figures of the whole set: pooled, or means over classes, as `metrics.average` says.
    pub overall: Figures,
    /// Figures of each class that has samples, by index.
    pub classes: Vec<ClassFigures>,
    /// Samples that failed, in the order of the records.
    pub failures: Vec<Failure>,
}

impl Summary {
    /// The summary of the samples of one run (one budget, one target). `classes` are the names of the data set's classes, by index.
    pub fn of(records: &[SampleRecord], classes: &[String], settings: &MetricsSettings) -> Self {
        let reading = Reading::new(settings, records);
        let mut by_class: BTreeMap<usize, Vec<&SampleRecord>> = BTreeMap::new();
        for record in records {
            by_class.entry(record.label).or_default().push(record);
        }
        let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let by_class: Vec<ClassFigures> = by_class
            .into_iter()
            .map(|(class, records)| ClassFigures {
                class,
                name: name(class),
                figures: Figures::of(&records, &reading, classes, settings),
            })
            .collect();
        let all: Vec<&SampleRecord> = records.iter().collect();
        let pooled = Figures::of(&all, &reading, classes, settings);
        let overall = match settings.average {
            Average::Pooled => pooled,
            Average::Macro => macro_average(&by_class.iter().map(|c| &c.figures).collect::<Vec<_>>(), &pooled),
        };
        let failed = records.iter().filter(|r| r.outcome.is_failure());
        let failures = failed.map(|r| Failure {
            key: r.key.clone(),
            at: r.ended_at,
            error: r.error.clone().unwrap_or_else(|| "unknown".to_owned()),
        });
        Self { settings: settings.clone(), overall, classes: by_class, failures: failures.collect() }
    }
}

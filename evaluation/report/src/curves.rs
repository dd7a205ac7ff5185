//! Curves over the updates of a search.

use fmr_core::metrics::{MetricsSettings, Proportion, Reading};
use fmr_core::{Outcome, SampleRecord};

/// Share of samples that the oracle had not rejected and that had not failed, after 0, 1, 2 … updates.
pub(crate) fn standing(records: &[SampleRecord]) -> Vec<f64> {
    let last = records.iter().map(|r| r.ended_at).max().unwrap_or(0);
    let stands = |r: &SampleRecord, t: usize| match r.outcome {
        Outcome::ReconstructionRejected => false,
        Outcome::StoppedByOracle | Outcome::Failed | Outcome::ComponentFailed => t < r.ended_at,
        Outcome::BudgetReached | Outcome::EarlyExit => true,
    };
    let share = |t: usize| records.iter().filter(|r| stands(r, t)).count() as f64 / records.len().max(1) as f64;
    (0..=last).map(share).collect()
}

/// Rise of the score above that of the reconstruction after 0, 1, 2 … updates: median and middle half of the samples
/// that were still going.
pub(crate) fn rise(records: &[SampleRecord]) -> (Vec<f64>, Vec<(f64, f64)>) {
    let last = records.iter().map(|r| r.steps.len()).max().unwrap_or(0);
    let mut median = Vec::new();
    let mut middle = Vec::new();
    for t in 0..last {
        let rises = records.iter().filter_map(|r| r.steps.get(t).map(|s| s.score - r.score0));
        let mut rises: Vec<f64> = rises.filter(|v| v.is_finite()).collect();
        if rises.is_empty() {
            break;
        }
        rises.sort_by(f64::total_cmp);
        median.push(quantile(&rises, 0.5));
        middle.push((quantile(&rises, 0.25), quantile(&rises, 0.75)));
    }
    (median, middle)
}

/// The target's accuracy on produced images after 0, 1, 2 … updates, as the metrics read them: 0 is the reconstruction, and
/// where a search ended its last accepted image stands.
pub(crate) fn accuracy(records: &[SampleRecord], metrics: &MetricsSettings) -> Vec<Proportion> {
    let reading = Reading::new(metrics, records);
    let produced: Vec<&SampleRecord> = records.iter().filter(|record| reading.produced(record)).collect();
    let last = produced.iter().map(|record| record.ended_at).max().unwrap_or(0);
    let mut right = vec![0; last + 1];
    for record in &produced {
        let mut seen = record.reconstruction_prediction;
        let mut steps = record.steps.iter().filter(|step| step.accepted).peekable();
        for (t, right) in right.iter_mut().enumerate() {
            while let Some(step) = steps.next_if(|step| step.t <= t) {
                seen = step.prediction;
            }
            *right += usize::from(seen == Some(record.label));
        }
    }
    right.into_iter().map(|right| Proportion::of(right, produced.len(), metrics.confidence)).collect()
}

/// Quantile of sorted values, between neighbours in proportion.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::Results;
    use crate::toy::store;

    #[test]
    fn curves_follow_the_records() {
        let (_home, store) = store();
        let results = Results::read(&store).unwrap();
        let records = &results.rows()[0].records;
        let share = standing(records);
        assert_eq!(share.len(), 6);
        let produced = records.iter().filter(|r| r.reconstruction_accepted).count();
        assert_eq!(share[0], produced as f64 / 40.0);
        let to_the_end = records.iter().filter(|r| r.outcome == Outcome::BudgetReached).count();
        assert_eq!(share[5], to_the_end as f64 / 40.0);
        assert!(share.windows(2).all(|w| w[1] <= w[0]));
        let course = accuracy(records, &MetricsSettings::default());
        let summary = fmr_core::metrics::Summary::of(records, &[], &MetricsSettings::default());
        // The last point is PA, over the same images; these finals are the last accepted images.
        let metrics = MetricsSettings::default();
        let reading = Reading::new(&metrics, records);
        let of_steps =
            |r: &&SampleRecord| r.steps.iter().rev().find(|s| s.accepted).and_then(|s| s.prediction) == Some(r.label);
        let kept = records.iter().filter(|r| reading.produced(r)).filter(of_steps).count();
        let last = course.last().unwrap();
        assert_eq!((course.len(), last.hits, last.of), (6, kept, summary.overall.counts.produced));
        // Before the first update the target is right on every reconstruction of the toy.
        assert_eq!(course[0].hits, course[0].of);
        let (median, middle) = rise(records);
        assert_eq!(median.len(), 5);
        for (t, (m, (low, high))) in median.iter().zip(&middle).enumerate() {
            assert!((m - 0.31 * (t + 1) as f64).abs() < 1e-9 && low <= m && m <= high);
        }
    }
}

//! Small numerics on rows of logits and scores, shared by scorers, verdicts and the engine.

use ndarray::ArrayView1;

/// Index of the largest value; the lowest index wins a tie (`protocol`, section 2). Values that are not numbers lose
/// against all others; an empty row gives 0.
pub fn argmax(row: ArrayView1<'_, f32>) -> usize {
    let mut best = 0;
    let mut largest = f32::NEG_INFINITY;
    for (index, &value) in row.iter().enumerate() {
        if value > largest {
            best = index;
            largest = value;
        }
    }
    best
}

/// Index of the largest value as [`argmax`]; `None` where a value is not a finite number: such a row is no answer.
pub fn prediction(row: ArrayView1<'_, f32>) -> Option<usize> {
    (!row.is_empty() && all_finite(row)).then(|| argmax(row))
}

/// Index of the largest value among all but `except`, the lowest index winning a tie; `None` where there is no other.
pub fn argmax_except(row: ArrayView1<'_, f32>, except: usize) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (index, &value) in row.iter().enumerate() {
        if index != except && best.is_none_or(|b| value > row[b]) {
            best = Some(index);
        }
    }
    best
}

/// Natural logarithms of the softmax, in `f64`, computed without overflow.
pub fn log_softmax(row: ArrayView1<'_, f32>) -> Vec<f64> {
    let largest = row.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(f64::from(v)));
    let log_sum = row.iter().map(|&v| (f64::from(v) - largest).exp()).sum::<f64>().ln();
    row.iter().map(|&v| f64::from(v) - largest - log_sum).collect()
}

/// Whether every value is a finite number.
pub(crate) fn all_finite<'a>(values: impl IntoIterator<Item = &'a f32>) -> bool {
    values.into_iter().all(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use ndarray::{array, aview1};

    use super::*;

    #[test]
    fn ties_go_to_the_lowest_index() {
        assert_eq!(argmax(aview1(&[1.0, 3.0, 3.0])), 1);
        assert_eq!(argmax(aview1(&[f32::NAN, -1.0])), 1);
        assert_eq!(argmax(aview1(&[])), 0);
        assert_eq!(prediction(aview1(&[1.0, 3.0])), Some(1));
        for no_answer in [&[f32::NAN, -1.0][..], &[1.0, f32::INFINITY], &[]] {
            assert_eq!(prediction(aview1(no_answer)), None);
        }
        assert_eq!(argmax_except(aview1(&[3.0, 1.0, 1.0]), 0), Some(1));
        assert_eq!(argmax_except(aview1(&[3.0]), 0), None);
    }

    #[test]
    fn log_softmax_survives_huge_logits() {
        let row = array![1e30_f32, 0.0, -1e30];
        let logs = log_softmax(row.view());
        assert_eq!(logs[0], 0.0);
        assert!(logs[1] < -1e29 && logs[1].is_finite());
    }
}

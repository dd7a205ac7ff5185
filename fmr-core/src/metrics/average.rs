//! Macro figures: plain means over classes.

use super::{Figures, Interval, IntervalMethod, Mean, Proportion, Ratio};

/// A mean over classes, with the interval that the classes' own intervals give.
///
/// The limits combine as independent errors do: with l the limit of a class, m − √Σ(m_c − l_c)² / k, and likewise above
/// (Zou and Donner 2008, "method of variance estimates recovery"). Of one class it is that class's own interval.
fn mean(classes: impl Iterator<Item = (f64, Option<Interval>)>) -> (Option<f64>, Option<Interval>) {
    let classes: Vec<(f64, Option<Interval>)> = classes.collect();
    let k = classes.len() as f64;
    if classes.is_empty() {
        return (None, None);
    }
    if let [one] = classes[..] {
        return (Some(one.0), one.1);
    }
    let value = classes.iter().map(|c| c.0).sum::<f64>() / k;
    let intervals: Option<Vec<(f64, Interval)>> = classes.iter().map(|(m, i)| i.map(|i| (*m, i))).collect();
    let interval = intervals.map(|all| {
        let spread = |squares: &dyn Fn(&(f64, Interval)) -> f64| all.iter().map(squares).sum::<f64>().sqrt() / k;
        let (below, above) = (spread(&|(m, i)| (m - i.lo).powi(2)), spread(&|(m, i)| (i.hi - m).powi(2)));
        Interval { lo: value - below, hi: value + above }
    });
    (Some(value), interval)
}

fn proportion(classes: &[&Figures], of: impl Fn(&Figures) -> Proportion, pooled: Proportion) -> Proportion {
    let (value, interval) = mean(classes.iter().filter_map(|c| of(c).value.map(|v| (v, of(c).interval))));
    Proportion { value, interval, ..pooled }
}

/// The pooled figures with every value replaced by its mean over the classes for which it is defined. Counts stay those
/// of the whole set. FMR is the mean of the classes' FMRs.
pub(super) fn macro_average(classes: &[&Figures], pooled: &Figures) -> Figures {
    let fmr = match mean(classes.iter().filter_map(|c| c.fmr.value.map(|v| (v, c.fmr.interval)))) {
        (None, _) => Ratio::UNDEFINED,
        (value, interval) => Ratio { value, interval, se_log: None, method: IntervalMethod::Classes },
    };
    let updates: Vec<f64> = classes.iter().filter_map(|c| c.accepted_updates.value).collect();
    Figures {
        n: pooled.n,
        counts: pooled.counts,
        sa: proportion(classes, |c| c.sa, pooled.sa),
        pa: proportion(classes, |c| c.pa, pooled.pa),
        fmr,
        vr: proportion(classes, |c| c.vr, pooled.vr),
        reconstructed: proportion(classes, |c| c.reconstructed, pooled.reconstructed),
        reconstruction_accuracy: proportion(classes, |c| c.reconstruction_accuracy, pooled.reconstruction_accuracy),
        oracle_clean: proportion(classes, |c| c.oracle_clean, pooled.oracle_clean),
        oracle_reconstruction: proportion(classes, |c| c.oracle_reconstruction, pooled.oracle_reconstruction),
        accepted_updates: Mean {
            value: (!updates.is_empty()).then(|| updates.iter().sum::<f64>() / updates.len() as f64),
            ..pooled.accepted_updates
        },
        endings: pooled.endings.clone(),
    }
}

//! Seeded subsets.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Indices of a subset, ascending: at most `per_class` images of each class and `limit` in all.
///
/// With `balance` classes take turns, so that their numbers differ by at most one where there are enough images. The
/// same seed gives the same subset on every machine, and a smaller limit gives a part of it.
pub fn subset(
    labels: &[usize],
    classes: usize,
    limit: usize,
    per_class: Option<usize>,
    balance: bool,
    seed: u64,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let whole = limit >= labels.len() && per_class.is_none();
    if whole {
        return order;
    }
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let most = per_class.unwrap_or(usize::MAX);
    let mut chosen: Vec<usize> = if balance {
        let mut by_class = vec![Vec::new(); classes];
        for i in order {
            by_class[labels[i]].push(i);
        }
        let rounds = by_class.iter().map(Vec::len).max().unwrap_or(0).min(most);
        (0..rounds).flat_map(|r| by_class.iter().filter_map(move |c| c.get(r).copied())).take(limit).collect()
    } else {
        let mut counts = vec![0; classes];
        let fits = |i: &usize| {
            counts[labels[*i]] += 1;
            counts[labels[*i]] <= most
        };
        order.into_iter().filter(fits).take(limit).collect()
    };
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_balanced_nested_and_repeatable(labels in prop::collection::vec(0usize..5, 0..200), limit in 0usize..150, seed: u64) {
            let small = subset(&labels, 5, limit, None, true, seed);
            let large = subset(&labels, 5, limit + 7, None, true, seed);
            prop_assert_eq!(small.len(), limit.min(labels.len()));
            prop_assert_eq!(&small, &subset(&labels, 5, limit, None, true, seed));
            prop_assert!(small.iter().all(|i| large.contains(i)));
            let count = |set: &[usize], c| set.iter().filter(|i| labels[**i] == c).count();
            let total = |c| labels.iter().filter(|l| **l == c).count();
            for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))) {
                prop_assert!(count(&small, a) <= count(&small, b) + 1 || count(&small, b) == total(b));
            }
        }

        #[test]
        fn respects_the_limit_of_a_class(labels in prop::collection::vec(0usize..3, 0..100), most in 0usize..20, balance: bool) {
            let set = subset(&labels, 3, usize::MAX, Some(most), balance, 1);
            for c in 0..3 {
                let total = labels.iter().filter(|l| **l == c).count();
                prop_assert_eq!(set.iter().filter(|i| labels[**i] == c).count(), total.min(most));
            }
        }
    }
}

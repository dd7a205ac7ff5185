//! Seeded subsets.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Which images of a data set are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Images left out at the beginning of the shuffled order.
    pub skip: usize,
    /// At most this many images after those.
    pub limit: usize,
    /// At most this many images of each class, those left out included.
    pub per_class: Option<usize>,
    /// Whether classes take turns, so that their numbers differ by at most one where there are enough images.
    pub balance: bool,
    /// Seed of the order.
    pub seed: u64,
}

/// Indices of a subset, ascending.
///
/// The same seed gives the same subset on every machine, a smaller limit gives a part of it, and what is skipped is what
/// a limit of that number takes.
pub fn subset(labels: &[usize], classes: usize, draw: Draw) -> Vec<usize> {
    let Draw { skip, limit, per_class, balance, seed } = draw;
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let whole = limit >= labels.len() && per_class.is_none() && skip == 0;
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
        let turns = (0..rounds).flat_map(|r| by_class.iter().filter_map(move |c| c.get(r).copied()));
        turns.skip(skip).take(limit).collect()
    } else {
        let mut counts = vec![0; classes];
        let fits = |i: &usize| {
            counts[labels[*i]] += 1;
            counts[labels[*i]] <= most
        };
        order.into_iter().filter(fits).skip(skip).take(limit).collect()
    };
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Draw = Draw { skip: 0, limit: usize::MAX, per_class: None, balance: true, seed: 1 };

    proptest! {
        #[test]
        fn is_balanced_nested_and_repeatable(labels in prop::collection::vec(0usize..5, 0..200), limit in 0usize..150, seed: u64) {
            let draw = |limit| subset(&labels, 5, Draw { limit, seed, ..ALL });
            let (small, large) = (draw(limit), draw(limit + 7));
            prop_assert_eq!(small.len(), limit.min(labels.len()));
            prop_assert_eq!(&small, &draw(limit));
            prop_assert!(small.iter().all(|i| large.contains(i)));
            let count = |set: &[usize], c| set.iter().filter(|i| labels[**i] == c).count();
            let total = |c| labels.iter().filter(|l| **l == c).count();
            for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))) {
                prop_assert!(count(&small, a) <= count(&small, b) + 1 || count(&small, b) == total(b));
            }
        }

        #[test]
        fn respects_the_limit_of_a_class(labels in prop::collection::vec(0usize..3, 0..100), most in 0usize..20, balance: bool) {
            let set = subset(&labels, 3, Draw { per_class: Some(most), balance, ..ALL });
            for c in 0..3 {
                let total = labels.iter().filter(|l| **l == c).count();
                prop_assert_eq!(set.iter().filter(|i| labels[**i] == c).count(), total.min(most));
            }
        }

        #[test]
        fn what_is_skipped_is_what_a_limit_takes(labels in prop::collection::vec(0usize..4, 1..100), at in 0usize..60, balance: bool) {
            let first = subset(&labels, 4, Draw { limit: at, balance, ..ALL });
            let rest = subset(&labels, 4, Draw { skip: at, balance, ..ALL });
            let mut both = [first, rest].concat();
            both.sort_unstable();
            prop_assert_eq!(both, (0..labels.len()).collect::<Vec<_>>());
        }
    }
}

//! Groups of models that cannot be told apart.

/// The largest groups of items `0..count` of which no two are apart: each item is in one group at least, and two items
/// share a group exactly where they are not apart. Groups come by their first items, and hold theirs in ascending order.
///
/// In tables each group has a letter, and a model has the letters of its groups (a compact letter display).
///
/// ```
/// // The first and the last of three are apart, the middle one from neither.
/// let groups = fmr_core::metrics::groups(3, |a, b| a.abs_diff(b) == 2);
/// assert_eq!(groups, [vec![0, 1], vec![1, 2]]);
/// ```
pub fn groups(count: usize, apart: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let joined: Vec<Vec<bool>> =
        (0..count).map(|a| (0..count).map(|b| a != b && !apart(a.min(b), a.max(b))).collect()).collect();
    let mut found = Vec::new();
    extend(&joined, &mut Vec::new(), (0..count).collect(), Vec::new(), &mut found);
    found.iter_mut().for_each(|group: &mut Vec<usize>| group.sort_unstable());
    found.sort();
    found
}

/// Adds to `found` all largest groups that hold `group`, some of `candidates`, and none of `done` (Bron and Kerbosch,
/// with a pivot).
fn extend(
    joined: &[Vec<bool>],
    group: &mut Vec<usize>,
    mut candidates: Vec<usize>,
    mut done: Vec<usize>,
    found: &mut Vec<Vec<usize>>,
) {
    let reach = |of: usize| candidates.iter().filter(|c| joined[of][**c]).count();
    let Some(pivot) = candidates.iter().chain(&done).copied().max_by_key(|item| reach(*item)) else {
        if !group.is_empty() {
            found.push(group.clone());
        }
        return;
    };
    let beyond: Vec<usize> = candidates.iter().copied().filter(|c| !joined[pivot][*c]).collect();
    for item in beyond {
        let near = |items: &[usize]| items.iter().copied().filter(|other| joined[item][*other]).collect::<Vec<_>>();
        let (next, behind) = (near(&candidates), near(&done));
        group.push(item);
        extend(joined, group, next, behind, found);
        group.pop();
        candidates.retain(|c| *c != item);
        done.push(item);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_alike_are_one_group_and_all_apart_are_alone() {
        assert_eq!(groups(4, |_, _| false), [vec![0, 1, 2, 3]]);
        assert_eq!(groups(3, |_, _| true), [vec![0], vec![1], vec![2]]);
        assert!(groups(0, |_, _| true).is_empty());
    }

    proptest! {
        #[test]
        fn two_share_a_group_exactly_where_they_are_not_apart(bits in prop::collection::vec(any::<bool>(), 64)) {
            let apart = |a: usize, b: usize| bits[8 * a + b];
            let found = groups(8, apart);
            for a in 0..8 {
                prop_assert!(found.iter().any(|group| group.contains(&a)));
                for b in a + 1..8 {
                    prop_assert_eq!(found.iter().any(|g| g.contains(&a) && g.contains(&b)), !apart(a, b));
                }
            }
            for (i, one) in found.iter().enumerate() {
                let within = |other: &Vec<usize>| one.iter().all(|item| other.contains(item));
                prop_assert!(found.iter().enumerate().all(|(j, other)| i == j || !within(other)), "none lies in another");
            }
        }
    }
}

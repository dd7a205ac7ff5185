//! Rows that perturb the same images, for figures that show what each target makes of one original (Figures 2 to 4 of the
//! paper).

use std::cmp::Reverse;

use fmr_store::RowPlan;

use crate::select::{changed, in_turn};
use crate::{Results, RowResults};

/// Rows that stand side by side at most: more would not fit a page.
pub(crate) const MOST_ROWS: usize = 8;

/// Rows of the same images, and the samples to show of them.
pub(crate) struct SideBySide<'r> {
    /// What the rows have in common: the label of their data.
    pub(crate) title: String,
    /// Two rows or more.
    pub(crate) rows: Vec<&'r RowResults>,
    /// Positions of samples in the records of each row.
    pub(crate) samples: Vec<usize>,
}

/// What stands over the images of a row: what it is beside its data.
pub(crate) fn heading(plan: &RowPlan) -> &str {
    plan.title.split_once(SEPARATOR).map_or(&*plan.title, |(_, label)| label)
}

/// What stands between the data and the model in the title of a row.
const SEPARATOR: &str = " · ";

/// Groups of rows that perturb the same images, each with at most `most` samples: first those on which most targets change
/// from right to wrong, in turn over the classes.
pub(crate) fn side_by_side<'r>(results: &'r Results<'_>, most: usize) -> Vec<SideBySide<'r>> {
    let mut groups: Vec<Vec<&RowResults>> = Vec::new();
    for row in results.rows().iter().filter(|row| !row.records.is_empty()) {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| same_images(first, row))) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let several = groups.into_iter().filter(|group| group.len() > 1);
    let mut groups: Vec<SideBySide<'r>> =
        several.map(|rows| SideBySide::of(rows.into_iter().take(MOST_ROWS).collect(), most)).collect();
    // Titles name files.
    for at in 1..groups.len() {
        let before = groups[..at].iter().filter(|other| other.title == groups[at].title).count();
        if before > 0 {
            groups[at].title = format!("{} {}", groups[at].title, before + 1);
        }
    }
    groups
}

/// Whether rows have the same samples of the same classes.
fn same_images(a: &RowResults, b: &RowResults) -> bool {
    let keys = |row: &RowResults| row.records.iter().map(|record| record.key.clone()).collect::<Vec<_>>();
    a.plan.classes == b.plan.classes && a.records.len() == b.records.len() && keys(a) == keys(b)
}

impl<'r> SideBySide<'r> {
    fn of(rows: Vec<&'r RowResults>, most: usize) -> Self {
        let first = rows.first().map(|row| row.records.as_slice()).unwrap_or_default();
        let flips = |at: usize| rows.iter().filter(|row| changed(&row.records[at])).count();
        let mut levels: Vec<(usize, usize)> = (0..first.len()).map(|at| (flips(at), at)).collect();
        levels.sort_by_key(|(flips, at)| (Reverse(*flips), *at));
        let mut samples = Vec::new();
        for level in levels.chunk_by(|a, b| a.0 == b.0) {
            samples.extend(in_turn(level.iter().map(|(_, at)| (first[*at].label, *at))));
        }
        samples.truncate(most);
        let title = rows.first().and_then(|row| row.plan.title.split_once(SEPARATOR)).map(|(data, _)| data.to_owned());
        Self { title: title.unwrap_or_default(), rows, samples }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::sheet::comparison;
    use crate::toy::store;

    #[test]
    fn samples_that_change_most_targets_come_first() {
        let (_home, store) = store();
        let results = Results::read(&store).unwrap();
        assert!(side_by_side(&results, 4).is_empty(), "no two rows of it have the same images");
        let row = &results.rows()[0];
        let mut spared = row.clone();
        for record in spared.records.iter_mut().filter(|record| record.index < 20) {
            record.final_prediction = Some(record.label);
        }
        assert!(same_images(row, &spared) && !same_images(row, &results.rows()[1]));
        let group = SideBySide::of(vec![row, &spared], 1000);
        assert_eq!(group.title, row.plan.title.split_once(SEPARATOR).unwrap().0);
        let flips = |at: &usize| group.rows.iter().filter(|row| changed(&row.records[*at])).count();
        let counts: Vec<usize> = group.samples.iter().map(flips).collect();
        assert!(counts.is_sorted_by(|a, b| a >= b) && counts[0] == 2 && counts.contains(&1), "{counts:?}");
        let mut all = group.samples.clone();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>(), "every sample once");
    }

    #[test]
    fn a_comparison_has_a_line_for_each_sample_and_a_column_for_each_target() {
        let (_home, store) = store();
        let results = Results::read(&store).unwrap();
        let row = &results.rows()[0];
        let picture = |rows: Vec<_>, samples| {
            let group = SideBySide::of(rows, samples);
            image::load_from_memory(&comparison(&results, &group, "A figure").unwrap()).unwrap()
        };
        let (two, eight) = (picture(vec![row; 2], 3), picture(vec![row; 8], 6));
        assert!(eight.width() > two.width() && eight.height() > two.height());
    }
}

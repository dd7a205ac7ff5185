//! Synthetic rows under one setting and under others.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::metrics::MetricsSettings;
use insta::assert_snapshot;

use super::{Compared, Contender};
use crate::toy::store;
use crate::{Results, RowResults};

/// Four targets over the digits of the toy: of the second every third image stands more than of the first, and so on.
fn targets(results: &Results<'_>) -> Vec<RowResults> {
    let first = &results.rows()[0];
    let target = |k: usize| {
        let mut row = first.clone();
        row.plan.fingerprint.insert("target.weights".to_owned(), format!("weights {k}"));
        for record in row.records.iter_mut().filter(|record| record.index % 5 < k) {
            record.final_prediction = Some(record.label);
        }
        row
    };
    (0..4).map(target).collect()
}

fn contender<'r>(name: &str, row: &'r RowResults) -> Contender<'r> {
    Contender::new(["MNIST", name, name], row, &MetricsSettings::default())
}

#[test]
fn targets_of_one_setting_are_ranked() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let rows = targets(&results);
    let metrics = MetricsSettings::default();
    let all: Vec<_> = rows.iter().zip(["A", "B", "C", "D"]).map(|(row, name)| contender(name, row)).collect();
    let compared = Compared::of(&all, &metrics);
    assert_eq!(compared.heats.len(), 1);
    let heat = &compared.heats[0];
    assert_eq!(heat.comparison.order, [3, 2, 1, 0]);
    let grids = compared.grids(&metrics, 1);
    let text = grids.iter().map(|grid| format!("{}\n{}", grid.title, grid.to_text(104))).collect::<Vec<_>>().join("\n");
    assert_snapshot!(text);
}

#[test]
fn rows_of_other_settings_are_named_with_the_reason() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut rows = targets(&results);
    rows[1].plan.fingerprint.insert("search.step-size".to_owned(), "0.01".to_owned());
    rows[2].records.truncate(30);
    rows[3] = rows[2].clone();
    let all: Vec<_> = rows.iter().zip(["A", "B", "C", "C again"]).map(|(row, name)| contender(name, row)).collect();
    let compared = Compared::of(&all, &MetricsSettings::default());
    assert_eq!((compared.heats.len(), compared.heats[0].comparison.images, compared.heats[0].left_out), (1, 30, 10));
    assert_snapshot!(compared.apart.iter().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>().join("\n"), @r"
    MNIST · C again: it is the same row as MNIST · C
    MNIST · B: the nearest row of a different target, MNIST · A, differs in search.step-size (0.01 and absent)
    ");
    assert!(Compared::of(&all[1..2], &MetricsSettings::default()).grids(&MetricsSettings::default(), 1).is_empty());
}

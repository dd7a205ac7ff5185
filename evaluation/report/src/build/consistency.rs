//! Do target and oracle err on the same originals, and what do the oracle's own errors do to the figures?

use fmr_core::SampleRecord;
use fmr_core::metrics::{Agreement, Counts, MetricsSettings, Ratio, Reading};
use fmr_store::RowPlan;

use super::Run;
use crate::compare::agreement;
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row};

/// A row beside its oracle.
struct Beside {
    agreement: Agreement,
    /// FMR over the originals that the oracle sees right.
    fmr: Ratio,
    /// How many these are.
    right: usize,
}

/// Error consistency of each target with its oracle.
pub(super) fn with_oracle(run: &Run<'_>) -> Option<Grid> {
    let columns: Vec<(Column, CellOf<'_, Beside>)> = vec![
        (
            Column::number("kappa", "κ").digits(2).meaning(
                "error consistency of target and oracle (Cohen's κ): 1 where both err on the same, 0 by chance",
            ),
            Box::new(|beside: &Beside| agreement(&beside.agreement)),
        ),
        (Column::count("both-right", "both right"), Box::new(|beside| Cell::count(beside.agreement.both))),
        (
            Column::count("target-alone", "target alone").meaning("originals on which only the target is right"),
            Box::new(|beside| Cell::count(beside.agreement.only_first)),
        ),
        (
            Column::count("oracle-alone", "oracle alone").meaning("those on which only the oracle is right"),
            Box::new(|beside| Cell::count(beside.agreement.only_second)),
        ),
        (Column::count("neither-right", "neither"), Box::new(|beside| Cell::count(beside.agreement.neither))),
        (
            Column::percent("fmr-without-errors", "FMR, oracle right")
                .digits(run.digits)
                .meaning("FMR over the originals that the oracle sees right"),
            Box::new(|beside| Cell::from(&beside.fmr).over(beside.right)),
        ),
    ];
    let rows = run.measured().filter(|(_, measured)| !measured.results.records.is_empty()).map(|(entry, measured)| {
        let results = measured.results;
        (entry.row_without_flags(), Beside::of(&results.records, &results.plan, &run.metrics))
    });
    let rows: Vec<(Row, Beside)> = rows.collect();
    let notes = vec!["On originals.".to_owned()];
    let grid = Grid { notes, detail: true, ..Grid::new("consistency", "Errors of target and oracle") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}

impl Beside {
    fn of(records: &[SampleRecord], plan: &RowPlan, metrics: &MetricsSettings) -> Self {
        let oracle = |record: &&SampleRecord| sees(plan, record.clean_oracle, record.label);
        let pairs = records.iter().map(|record| [record.clean_prediction == Some(record.label), oracle(&record)]);
        let reading = Reading::new(metrics, records);
        let counted: Vec<_> = records.iter().filter(oracle).map(|record| reading.indicators(record)).collect();
        let fmr = Ratio::of(&Counts::of(&counted), metrics.fmr_reading(), metrics.confidence);
        Self { agreement: Agreement::of_pairs(pairs, metrics.confidence), fmr, right: counted.len() }
    }
}

/// Whether an oracle's class is that of a label: to it, classes of one name are one.
pub(crate) fn sees(plan: &RowPlan, class: Option<usize>, label: usize) -> bool {
    let name = |class: usize| plan.classes.get(class);
    class.is_some_and(|class| class == label || name(class).is_some() && name(class) == name(label))
}

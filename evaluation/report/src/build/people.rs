//! A row's images as people see them, beside what the search's oracle says of the same.

use fmr_core::SampleRecord;
use fmr_core::metrics::{Counts, Indicators, MetricsSettings, PairedFmr, Proportion, Ratio, Reading, cohens_kappa};

use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Grid, Row};

/// What people say about one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeopleSaid {
    /// Whether they see the true class in the original; absent where they were not asked.
    pub original: Option<bool>,
    /// Whether they see it in the final image; absent where nobody needed to look, because the search produced nothing.
    pub last: Option<bool>,
}

/// What comes of the figures under one judge.
struct Judged {
    n: usize,
    /// Originals in which the judge sees the true class, of those that people judged.
    clean: Proportion,
    /// Produced images whose final image the judge accepts.
    accepts: Proportion,
    /// Agreement with the search's oracle on originals, beyond chance.
    kappa: Option<f64>,
    fmr: Ratio,
    /// FMR under the judge less FMR under the search's oracle.
    difference: Option<Figure>,
}

/// FMR under people beside that under the search's oracle, on the samples that people were asked about: `said` has an entry
/// for each record, absent where they were not. An image counts as produced under people where the search produced it and
/// they see its true class.
pub fn people(oracle: &str, metrics: &MetricsSettings, records: &[SampleRecord], said: &[Option<PeopleSaid>]) -> Grid {
    let reading = Reading::new(metrics, records);
    let asked: Vec<(&SampleRecord, Indicators, PeopleSaid)> = records
        .iter()
        .zip(said)
        .filter_map(|(record, said)| Some((record, reading.indicators(record), (*said)?)))
        .collect();
    let searched: Vec<Indicators> = asked.iter().map(|(_, of, _)| *of).collect();
    let under_people: Vec<Indicators> = asked
        .iter()
        .map(|(_, of, said)| Indicators { produced: of.produced && said.last == Some(true), ..*of })
        .collect();
    // Whether each sees the true class in the originals that people judged.
    let originals: Vec<(bool, bool)> = asked
        .iter()
        .filter_map(|(record, _, said)| Some((said.original?, record.clean_oracle == Some(record.label))))
        .collect();
    let people_right: Vec<bool> = originals.iter().map(|(people, _)| *people).collect();
    let oracle_right: Vec<bool> = originals.iter().map(|(_, oracle)| *oracle).collect();
    let own = Judged { kappa: None, difference: None, ..Judged::of(metrics, &searched, &searched, &oracle_right) };
    let people =
        Judged { kappa: cohens_kappa(originals), ..Judged::of(metrics, &under_people, &searched, &people_right) };
    let rows = [(format!("{oracle} (the search's)"), own), ("people (majority)".to_owned(), people)];
    let rows = rows.map(|(judge, judged)| (Row::new([judge]).over(judged.n), judged));
    let mut grid = Grid::new("people", "FMR as people see it").labels(["judge"]).tabulate(columns(), rows);
    grid.caption.confidence = Some(metrics.confidence);
    grid
}

fn columns<'f>() -> Vec<(Column, CellOf<'f, Judged>)> {
    vec![
        (
            Column::percent("originals", "on originals")
                .meaning("share of the originals that people judged in which the judge sees the true class"),
            Box::new(|judged: &Judged| (&judged.clean).into()),
        ),
        (
            Column::percent("accepts", "accepts")
                .meaning("share of the produced images in whose final image the judge sees the true class"),
            Box::new(|judged| (&judged.accepts).into()),
        ),
        (
            Column::number("kappa", "κ")
                .digits(2)
                .meaning("error consistency of people and oracle on originals (Cohen's κ): 1 where both err on the same, 0 by chance"),
            Box::new(|judged| Cell::of(judged.kappa)),
        ),
        (
            Column::percent("fmr", "FMR").meaning("PA / SA over the produced images that the judge accepts"),
            Box::new(|judged| (&judged.fmr).into()),
        ),
        (
            Column::points("difference", "difference")
                .meaning("FMR under people less FMR under the search's oracle on the same samples, with a paired interval"),
            Box::new(|judged| judged.difference.map_or_else(Cell::missing, Into::into)),
        ),
    ]
}

impl Judged {
    fn of(metrics: &MetricsSettings, under: &[Indicators], searched: &[Indicators], right: &[bool]) -> Self {
        let (confidence, reading) = (metrics.confidence, metrics.fmr_reading());
        let produced = |of: &[Indicators]| of.iter().filter(|image| image.produced).count();
        let paired = PairedFmr::of(under, searched, reading, confidence).ok();
        Self {
            n: under.len(),
            clean: Proportion::of(right.iter().filter(|right| **right).count(), right.len(), confidence),
            accepts: Proportion::of(produced(under), produced(searched), confidence),
            kappa: None,
            fmr: Ratio::of(&Counts::of(under), reading, confidence),
            difference: paired.map(|paired| Figure {
                value: paired.difference,
                interval: paired.difference_interval,
                ..Figure::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_people_refuse_do_not_count_as_produced() {
        let mut records: Vec<SampleRecord> =
            (0..40).map(|index| crate::store_toy::sample(index, 1, 2).record).collect();
        records.iter_mut().for_each(|record| record.steps.clear());
        let metrics = MetricsSettings::default();
        let said = |last: &dyn Fn(&SampleRecord) -> bool| -> Vec<Option<PeopleSaid>> {
            let one = |r: &SampleRecord| PeopleSaid { original: Some(true), last: Some(last(r)) };
            records.iter().map(|record| (record.index < 30).then(|| one(record))).collect()
        };
        let all = people("CLIP", &metrics, &records, &said(&|_| true));
        assert_eq!(all.rows[1].n, Some(30));
        assert_eq!(all.cell(0, "fmr"), all.cell(1, "fmr"));
        assert_eq!(all.cell(1, "difference").and_then(Cell::number), Some(0.0));
        // Without the images on which the target is wrong, it is always right.
        let kind = people("CLIP", &metrics, &records, &said(&|r| r.final_prediction == Some(r.label)));
        let fmr = |row: usize| kind.cell(row, "fmr").and_then(Cell::number).unwrap_or_default();
        assert!(fmr(1) >= 1.0 && fmr(1) > fmr(0), "{} {}", fmr(0), fmr(1));
        assert_eq!(fmr(0), all.cell(0, "fmr").and_then(Cell::number).unwrap_or_default());
    }
}

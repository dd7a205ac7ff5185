//! What the choice of the oracle does: a run's images judged by further oracles after the fact (sections 5.1 and 5.2 of the
//! paper).

use std::collections::BTreeMap;

use fmr_core::metrics::{Agreement, Counts, Indicators, Kendall, MetricsSettings, Proportion, Ratio, Reading, Summary};
use fmr_core::{Outcome, SampleRecord};

use super::consistency::sees;
use super::{Entry, Measured, Run};

use crate::compare::{Compared, Heat, agreement};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row};

/// What an oracle says about a row's images.
struct Judged {
    /// It is right on the original.
    right: Proportion,
    /// Of the images that the search produced, those in which it still sees the true class.
    agrees: Proportion,
    /// Being right on originals, with the row's own oracle; absent for that one itself.
    own: Option<Agreement>,
    /// Being right on originals, with the target.
    target: Agreement,
    /// Figures with the images that it refuses taken away from those that count as produced.
    summary: Summary,
    /// FMR over the originals on which it is right.
    without_errors: Ratio,
}

/// Agreement of oracles, and the figures under each.
pub(super) fn oracles(run: &Run<'_>) -> Option<Grid> {
    let digits = run.digits;
    let columns: Vec<(Column, CellOf<'_, Judged>)> = vec![
        (
            Column::percent("right", "right").meaning("originals in which the oracle sees the true class"),
            Box::new(|judged: &Judged| (&judged.right).into()),
        ),
        (
            Column::percent("agrees", "agrees")
                .meaning("produced images in which it sees the true class too, as the row's own oracle did"),
            Box::new(|judged| (&judged.agrees).into()),
        ),
        (
            Column::number("kappa-oracle", "κ oracle")
                .digits(2)
                .meaning("error consistency with the row's own oracle on originals (Cohen's κ)"),
            Box::new(|judged| judged.own.as_ref().map_or_else(Cell::missing, agreement)),
        ),
        (
            Column::number("kappa-target", "κ target")
                .digits(2)
                .meaning("error consistency with the target on originals"),
            Box::new(|judged| agreement(&judged.target)),
        ),
        (Column::percent("vr", "VR").digits(digits), Box::new(|judged| (&judged.summary.overall.vr).into())),
        (Column::percent("pa", "PA").digits(digits), Box::new(|judged| (&judged.summary.overall.pa).into())),
        (
            Column::percent("fmr", "FMR")
                .digits(digits)
                .meaning("with the images that the oracle refuses not produced"),
            Box::new(|judged| (&judged.summary.overall.fmr).into()),
        ),
        (
            Column::percent("fmr-without-errors", "FMR, oracle right")
                .digits(digits)
                .meaning("the same over the originals that it sees right"),
            Box::new(|judged| Cell::from(&judged.without_errors).over(judged.right.hits)),
        ),
    ];
    let mut rows: Vec<(Row, Judged)> = Vec::new();
    for (entry, measured) in run.measured().filter(|(entry, _)| !entry.verdicts.is_empty()) {
        let own = own(measured);
        let further = entry.verdicts.iter().map(|(oracle, view)| (oracle, view.seen.as_slice(), false));
        for (oracle, seen, is_own) in std::iter::once((&entry.oracle, own.as_slice(), true)).chain(further) {
            let row = Row { id: entry.id.clone(), ..Row::new([&entry.name(), oracle]) };
            rows.push((row.over(measured.summary.overall.n), Judged::of(&run.metrics, measured, seen, is_own)));
        }
    }
    let notes = vec![
        "The images were searched for under the first oracle of each row. Under a further oracle an image counts as produced where \
         it was and that oracle still sees the true class in the final image. The images in between are not kept: it is \
         assumed that it accepts those too, and that it refuses the search of an image that the first oracle refused."
            .to_owned(),
    ];
    let grid = Grid { notes, ..Grid::new("oracles", "The images as further oracles see them") };
    (!rows.is_empty()).then(|| grid.labels(["row", "oracle"]).tabulate(columns, rows))
}

/// The classes that an oracle sees in the original and in the final image of each record.
type Seen = [Option<usize>; 2];

/// What the row's own oracle sees, in the form of a further one.
fn own(measured: &Measured<'_>) -> Vec<Seen> {
    let seen = measured.results.records.iter().map(|record| {
        let label = Some(record.label);
        // What its verdict let stand counts, even where its likeliest class is a different one.
        [record.clean_oracle, if record.final_from.is_some() { label } else { record.clean_oracle }]
    });
    seen.collect()
}

impl Judged {
    fn of(metrics: &MetricsSettings, measured: &Measured<'_>, seen: &[Seen], is_own: bool) -> Self {
        let (records, plan) = (&measured.results.records, &measured.results.plan);
        let reading = Reading::new(metrics, records);
        let right: Vec<bool> = pairs(records, seen).map(|(r, seen)| sees(plan, seen[0], r.label)).collect();
        let produced = pairs(records, seen).filter(|(record, _)| reading.produced(record));
        let produced: Vec<bool> = produced.map(|(r, seen)| sees(plan, seen[1], r.label)).collect();
        let share =
            |of: &[bool]| Proportion::of(of.iter().filter(|holds| **holds).count(), of.len(), metrics.confidence);
        let with = |other: &dyn Fn(&SampleRecord) -> bool| {
            let pairs = records.iter().zip(&right).map(|(record, right)| [*right, other(record)]);
            Agreement::of_pairs(pairs, metrics.confidence)
        };
        let under = under(measured, seen);
        let reading = Reading::new(metrics, &under);
        let kept: Vec<Indicators> = under
            .iter()
            .zip(&right)
            .filter(|(_, right)| **right)
            .map(|(record, _)| reading.indicators(record))
            .collect();
        Self {
            right: share(&right),
            agrees: share(&produced),
            own: (!is_own).then(|| with(&|record| sees(plan, record.clean_oracle, record.label))),
            target: with(&|record| record.clean_prediction == Some(record.label)),
            summary: Summary::of(&under, &plan.classes, metrics),
            without_errors: Ratio::of(&Counts::of(&kept), metrics.fmr_reading(), metrics.confidence),
        }
    }
}

fn pairs<'p>(records: &'p [SampleRecord], seen: &'p [Seen]) -> impl Iterator<Item = (&'p SampleRecord, &'p Seen)> {
    records.iter().zip(seen)
}

/// The records as if the oracle had refused the first update of each search whose final image it refuses.
fn under(measured: &Measured<'_>, seen: &[Seen]) -> Vec<SampleRecord> {
    let plan = &measured.results.plan;
    let record = |(record, seen): (&SampleRecord, &Seen)| {
        let mut record = record.clone();
        let perturbed = record.final_from.is_some() && !record.outcome.is_failure();
        if perturbed && !sees(plan, seen[1], record.label) {
            record.outcome = Outcome::StoppedByOracle;
            (record.ended_at, record.accepted_updates, record.final_from) = (1, 0, Some(0));
            record.final_prediction = record.reconstruction_prediction;
        }
        record
    };
    pairs(&measured.results.records, seen).map(record).collect()
}

/// A comparable group under each oracle that judged all of its rows.
struct Ranked {
    /// FMR and rank of each row under each oracle, in the order of the heat's rows.
    under: Vec<(String, Vec<Ratio>)>,
}

/// Which targets change places under further oracles.
pub(super) fn ranks(run: &Run<'_>, compared: &Compared<'_>) -> Option<Grid> {
    let mut oracles: Vec<String> = Vec::new();
    let mut found: Vec<(&Heat<'_>, Ranked)> = Vec::new();
    for heat in &compared.heats {
        let ranked = ranked(run, heat);
        if ranked.under.len() > 1 {
            for (name, _) in &ranked.under {
                if !oracles.contains(name) {
                    oracles.push(name.clone());
                }
            }
            found.push((heat, ranked));
        }
    }
    type Place<'p> = (&'p Ranked, usize);
    let mut columns: Vec<(Column, CellOf<'_, Place<'_>>)> = Vec::new();
    for (at, oracle) in oracles.iter().enumerate() {
        let of = move |ranked: &Ranked| {
            ranked.under.iter().find(|(name, _)| name == oracle).map(|(_, ratios)| ratios.clone())
        };
        columns.push((
            Column::percent(&format!("fmr-{}", at + 1), "FMR").group(oracle).digits(run.digits),
            Box::new(move |(ranked, model): &Place<'_>| {
                of(ranked).map_or_else(Cell::missing, |all| (&all[*model]).into())
            }),
        ));
        columns.push((
            Column::count(&format!("rank-{}", at + 1), "rank").group(oracle),
            Box::new(move |(ranked, model)| Cell::count(of(ranked).and_then(|all| rank(&all, *model)))),
        ));
    }
    let rows = found.iter().flat_map(|(heat, ranked)| {
        heat.labels.iter().enumerate().map(move |(model, label)| {
            (Row::new([heat.setting.as_str(), label.as_str()]).over(heat.comparison.images), (ranked, model))
        })
    });
    let rows: Vec<(Row, Place<'_>)> = rows.collect();
    let notes = found.iter().flat_map(|(heat, ranked)| changes(heat, ranked)).collect();
    let grid = Grid { notes, ..Grid::new("oracle-ranks", "Targets under each oracle") };
    (!rows.is_empty()).then(|| grid.labels(["setting", "target"]).tabulate(columns, rows))
}

fn ranked(run: &Run<'_>, heat: &Heat<'_>) -> Ranked {
    let of_heat: Vec<(&Entry<'_>, &Measured<'_>)> = heat
        .contenders
        .iter()
        .filter_map(|one| run.measured().find(|(entry, _)| entry.id == one.results.plan.id))
        .collect();
    let Some((first, _)) = of_heat.first().filter(|_| of_heat.len() == heat.contenders.len()) else {
        return Ranked { under: Vec::new() };
    };
    let names = std::iter::once(first.oracle.clone()).chain(first.verdicts.iter().map(|(oracle, _)| oracle.clone()));
    let under = names.enumerate().filter_map(|(at, name)| {
        let ratios = of_heat.iter().zip(&heat.contenders).map(|((entry, measured), contender)| {
            let own = own(measured);
            let further = || entry.verdicts.iter().find(|(oracle, _)| *oracle == name);
            let seen = if at == 0 { &own } else { &further()?.1.seen };
            let records = under(measured, seen);
            let reading = Reading::new(&run.metrics, &records);
            let images: BTreeMap<&str, Indicators> =
                records.iter().map(|record| (record.key.as_str(), reading.indicators(record))).collect();
            // Over the images that all rows of the heat share.
            let shared =
                contender.images.keys().filter(|key| heat.contenders.iter().all(|c| c.images.contains_key(*key)));
            let counts = Counts::of(shared.filter_map(|key| images.get(key)));
            Some(Ratio::of(&counts, run.metrics.fmr_reading(), run.metrics.confidence))
        });
        Some((name.clone(), ratios.collect::<Option<Vec<Ratio>>>()?))
    });
    Ranked { under: under.collect() }
}

/// Rank of a model, from 1: one more than the models of higher FMR.
fn rank(ratios: &[Ratio], model: usize) -> Option<usize> {
    let own = ratios[model].value?;
    Some(1 + ratios.iter().filter(|other| other.value.is_some_and(|value| value > own)).count())
}

/// Sentences about pairs that change places against the heat's own oracle.
fn changes(heat: &Heat<'_>, ranked: &Ranked) -> Vec<String> {
    let Some(((_, own), further)) = ranked.under.split_first() else { return Vec::new() };
    let sentence = |(name, ratios): &(String, Vec<Ratio>)| {
        let mut pairs: Vec<String> = Vec::new();
        for pair in &heat.comparison.pairs {
            let gap = |of: &[Ratio]| Some(of[pair.first].value? - of[pair.second].value?);
            if gap(own).zip(gap(ratios)).is_some_and(|(before, now)| before * now < 0.0) {
                pairs.push(format!("{} and {}", heat.labels[pair.first], heat.labels[pair.second]));
            }
        }
        let both = own.iter().zip(ratios).filter_map(|(a, b)| Some((a.value?, b.value?)));
        let (before, now): (Vec<f64>, Vec<f64>) = both.unzip();
        let tau = Kendall::of(&before, &now).tau_b.filter(|_| before.len() > 2);
        let tau = tau.map_or_else(String::new, |tau| format!(" Kendall's τ between both rankings is {tau:.2}."));
        let setting = &heat.setting;
        match pairs.is_empty() {
            true => format!("{setting}: under {name} no two targets change places.{tau}"),
            false => format!("{setting}: under {name} these change places: {}.{tau}", pairs.join("; ")),
        }
    };
    further.iter().map(sentence).collect()
}

//! Counts and samples to figures.

use fmr_core::metrics::{
    Average, Bootstrap, Counts, ExactBootstrap, Figures, FmrReading, Indicators, Interval, MetricsSettings, Proportion,
    Ratio, Summary, resampled_fmr,
};
use fmr_core::{Outcome, SampleRecord};
use serde_json::Value;

use super::cases::{Case, Table};
use super::tally::Tally;

const CONFIDENCE: f64 = 0.95;

/// Counts whose names in the file are `names`, in the order n, A, V, Q, QC, VC.
fn read_counts(value: &Value, names: [&str; 6]) -> Counts {
    let [n, clean_correct, produced, produced_correct, qc, vc] =
        names.map(|name| value[name].as_u64().unwrap_or_else(|| panic!("no count {name:?} in {value}")) as usize);
    Counts {
        n,
        clean_correct,
        produced,
        produced_correct,
        produced_correct_and_clean_correct: qc,
        produced_and_clean_correct: vc,
    }
}

pub(crate) fn interval(what: &str, ours: Option<Interval>, wanted: &Value, tally: &mut Tally) {
    for (i, end) in ["lower", "upper"].into_iter().enumerate() {
        let ours = ours.map(|o| if i == 0 { o.lo } else { o.hi });
        let wanted = wanted.get(i).unwrap_or(&Value::Null);
        tally.value(&format!("{what}, {end}"), ours, wanted);
        // The edges are exact.
        if wanted.as_f64().is_some_and(|w| w == 0.0 || w == 1.0) && ours.is_some_and(|o| (o - 0.5).abs() > 0.49) {
            tally.same(&format!("{what}, {end} edge"), &ours, &wanted.as_f64());
        }
    }
}

pub(crate) fn ratio(what: &str, ours: &Ratio, wanted: &Value, tally: &mut Tally) {
    for (key, wanted) in wanted.as_object().unwrap() {
        let what = format!("{what}.{key}");
        match key.as_str() {
            "fmr" => tally.value(&what, ours.value, wanted),
            "lo" => tally.value(&what, ours.interval.map(|i| i.lo), wanted),
            "hi" => tally.value(&what, ours.interval.map(|i| i.hi), wanted),
            "se_log" => tally.value(&what, ours.se_log, wanted),
            "method" => tally.same(&what, &serde_json::to_value(ours.method).unwrap(), wanted),
            _ => tally.not_understood(&what),
        }
    }
}

pub(crate) fn counts(case: &Case, tally: &mut Tally) {
    let file = case.json("cases.json");
    for (i, one) in file["cases"].as_array().unwrap().iter().enumerate() {
        let counts = read_counts(
            &one["input"],
            [
                "n",
                "clean_correct",
                "produced",
                "produced_correct",
                "produced_correct_and_clean_correct",
                "produced_and_clean_correct",
            ],
        );
        let share = |hits, of| Proportion::of(hits, of, CONFIDENCE);
        let sa = share(counts.clean_correct, counts.n);
        let pa = share(counts.produced_correct, counts.produced);
        let vr = share(counts.produced, counts.n);
        for (key, wanted) in one["expected"].as_object().unwrap() {
            let what = format!("{i}: {key}");
            match key.as_str() {
                "sa" => tally.value(&what, sa.value, wanted),
                "pa" => tally.value(&what, pa.value, wanted),
                "vr" => tally.value(&what, vr.value, wanted),
                "sa_wilson" => interval(&what, sa.interval, wanted, tally),
                "pa_wilson" => interval(&what, pa.interval, wanted, tally),
                "vr_wilson" => interval(&what, vr.interval, wanted, tally),
                "fmr" => ratio(&what, &Ratio::of(&counts, FmrReading::default(), CONFIDENCE), wanted, tally),
                "fmr_same_images" => {
                    ratio(&what, &Ratio::of(&counts, FmrReading::SAME_IMAGES, CONFIDENCE), wanted, tally);
                }
                _ => tally.not_understood(&format!("expected: {key}")),
            }
        }
    }
}

/// Images of a table, in its order.
fn images(table: &Table) -> Vec<Indicators> {
    let [clean, produced, last] = ["clean_correct", "produced", "final_correct"].map(|c| table.column(c));
    let image = |row: &Vec<usize>| Indicators {
        clean_correct: row[clean] == 1,
        produced: row[produced] == 1,
        final_correct: row[last] == 1,
    };
    table.rows.iter().map(image).collect()
}

/// Records of a table: what a run would have kept of such samples.
fn records(table: &Table) -> Vec<SampleRecord> {
    let [image, class] = ["image", "class"].map(|c| table.column(c));
    let record = |(row, seen): (&Vec<usize>, Indicators)| {
        let label = row[class];
        let said = |right: bool| if right { label } else { label + 1 };
        SampleRecord {
            index: row[image],
            key: row[image].to_string(),
            label,
            clean_prediction: Some(said(seen.clean_correct)),
            clean_oracle: Some(label),
            reconstruction_prediction: Some(label),
            reconstruction_oracle: Some(said(seen.produced)),
            reconstruction_accepted: seen.produced,
            score0: 0.0,
            final_score: 0.0,
            final_prediction: Some(said(seen.final_correct)),
            final_oracle: Some(label),
            outcome: if seen.produced { Outcome::BudgetReached } else { Outcome::ReconstructionRejected },
            ended_at: usize::from(seen.produced),
            accepted_updates: usize::from(seen.produced),
            final_from: seen.produced.then_some(1),
            finished: None,
            latent_moved: 0.0,
            moved_spreads: None,
            error: None,
            steps: Vec::new(),
        }
    };
    table.rows.iter().zip(images(table)).map(record).collect()
}

pub(crate) fn samples(case: &Case, tally: &mut Tally) {
    for (name, expected) in case.json("expected.json").as_object().unwrap() {
        let table = case.table(&format!("{name}.tsv"));
        let (images, records) = (images(&table), records(&table));
        let settings = MetricsSettings::default();
        let summary = Summary::of(&records, &[], &settings);
        let averaged = Summary::of(&records, &[], &MetricsSettings { average: Average::Macro, ..settings.clone() });
        for (key, wanted) in expected.as_object().unwrap() {
            let what = format!("{name}: {key}");
            match key.as_str() {
                "counts" => {
                    let wanted = read_counts(wanted, ["n", "A", "V", "Q", "QC", "VC"]);
                    tally.same(&what, &summary.overall.counts, &wanted);
                    tally.same(&what, &Counts::of(&images), &wanted);
                }
                "overall" => figures(&what, &summary.overall, wanted, tally),
                "per_class" => {
                    let wanted = wanted.as_array().unwrap();
                    tally.same(&format!("{what}: number"), &summary.classes.len(), &wanted.len());
                    for (ours, wanted) in summary.classes.iter().zip(wanted) {
                        tally.same(&what, &Value::from(ours.class), &wanted["class"]);
                        figures(&format!("{what} {}", ours.class), &ours.figures, wanted, tally);
                    }
                }
                "macro" => macro_figures(&what, &averaged.overall, wanted, tally),
                "exact_bootstrap" => exact_bootstrap(&what, &images, wanted, tally),
                "given_resamples" => given_resamples(case, &what, &images, wanted, tally),
                "bootstrap_100000" => {
                    own_bootstrap(&what, &images, wanted, expected.get("exact_bootstrap").is_some(), tally);
                }
                _ => tally.not_understood(&format!("expected: {key}")),
            }
        }
    }
}

fn figures(what: &str, ours: &Figures, wanted: &Value, tally: &mut Tally) {
    for (key, wanted) in wanted.as_object().unwrap() {
        let what = format!("{what}.{key}");
        match key.as_str() {
            "class" => {}
            "counts" => {
                let wanted = read_counts(wanted, ["n", "A", "V", "Q", "QC", "VC"]);
                tally.same(&what, &ours.counts, &wanted);
            }
            "sa" => tally.value(&what, ours.sa.value, wanted),
            "pa" => tally.value(&what, ours.pa.value, wanted),
            "vr" => tally.value(&what, ours.vr.value, wanted),
            "fmr" if wanted.is_object() => ratio(&what, &ours.fmr, wanted, tally),
            "fmr" => tally.value(&what, ours.fmr.value, wanted),
            "fmr_same_images" => {
                ratio(&what, &Ratio::of(&ours.counts, FmrReading::SAME_IMAGES, CONFIDENCE), wanted, tally);
            }
            _ => tally.not_understood(&format!("figures: {key}")),
        }
    }
}

fn macro_figures(what: &str, ours: &Figures, wanted: &Value, tally: &mut Tally) {
    for (key, wanted) in wanted.as_object().unwrap() {
        let what = format!("{what}.{key}");
        match key.as_str() {
            "sa" => tally.value(&what, ours.sa.value, wanted),
            "pa" => tally.value(&what, ours.pa.value, wanted),
            "vr" => tally.value(&what, ours.vr.value, wanted),
            "mean_of_fmr" => tally.value(&what, ours.fmr.value, wanted),
            "fmr_of_means" => tally.value(&what, ours.fmr_of_means(), wanted),
            _ => tally.not_understood(&format!("macro: {key}")),
        }
    }
}

/// The probability that a key such as `q025` names.
fn quantile_of(key: &str) -> Option<f64> {
    format!("0.{}", key.strip_prefix('q')?).parse().ok()
}

fn exact_bootstrap(what: &str, images: &[Indicators], wanted: &Value, tally: &mut Tally) {
    let exact = ExactBootstrap::of(images, FmrReading::default()).unwrap();
    for (key, wanted) in wanted.as_object().unwrap() {
        let what = format!("{what}.{key}");
        match (key.as_str(), quantile_of(key)) {
            ("cells", _) => {
                for (cell, count) in wanted.as_object().unwrap() {
                    let bits: Vec<bool> = cell.chars().map(|c| c == '1').collect();
                    let alike = |i: &&Indicators| [i.clean_correct, i.produced, i.final_correct] == bits[..];
                    let ours = images.iter().filter(alike).count();
                    tally.same(&format!("{what} {cell}"), &Value::from(ours), count);
                }
            }
            ("undefined_probability", _) => tally.value(&what, Some(exact.undefined), wanted),
            ("mean", _) => tally.value(&what, Some(exact.mean()), wanted),
            ("sd", _) => tally.value(&what, Some(exact.sd()), wanted),
            (_, Some(q)) => tally.value(&what, exact.quantile(q), wanted),
            _ => tally.not_understood(&format!("exact_bootstrap: {key}")),
        }
    }
}

fn given_resamples(case: &Case, what: &str, images: &[Indicators], wanted: &Value, tally: &mut Tally) {
    let resamples = case.resamples(wanted["file"].as_str().unwrap());
    let ours: Vec<Option<f64>> = resamples.iter().map(|r| resampled_fmr(images, r, FmrReading::default())).collect();
    let expected = wanted["fmr"].as_array().unwrap();
    tally.same(&format!("{what}: number"), &ours.len(), &expected.len());
    for (i, (ours, wanted)) in ours.iter().zip(expected).enumerate() {
        tally.value(&format!("{what}[{i}]"), *ours, wanted);
    }
    let distribution = Bootstrap::from_values(ours);
    for (key, wanted) in wanted.as_object().unwrap() {
        match key.strip_prefix("percentile_").and_then(|p| p.parse::<f64>().ok()) {
            Some(percent) => interval(&format!("{what}.{key}"), distribution.interval(percent / 100.0), wanted, tally),
            None if ["file", "fmr", "quantile_rule"].contains(&key.as_str()) => {}
            None => tally.not_understood(&format!("given_resamples: {key}")),
        }
    }
}

/// The case says how near an own bootstrap of other resamples must come: 2 % of the deviation, percentiles within a
/// tenth of it. (Few images, for which the exact distribution stands beside, give few values, between which percentiles
/// jump: there only the deviation is compared.)
fn own_bootstrap(what: &str, images: &[Indicators], wanted: &Value, few: bool, tally: &mut Tally) {
    let own = Bootstrap::of(images, FmrReading::default(), 40_000, 1);
    let sd = wanted["sd"].as_f64().unwrap();
    tally.near(&format!("{what}.sd"), own.sd().unwrap(), sd, 0.02 * sd);
    for (key, wanted) in wanted.as_object().unwrap() {
        if let Some(q) = quantile_of(key).filter(|_| !few) {
            let (ours, wanted) = (own.quantile(q).unwrap(), wanted.as_f64().unwrap());
            tally.near(&format!("{what}.{key}"), ours, wanted, 0.1 * sd);
        }
    }
}

pub(crate) fn paper_table(case: &Case, tally: &mut Tally) {
    for row in case.json("cases.json").as_array().unwrap() {
        let number = |key: &str| row[key].as_u64().unwrap() as usize;
        let counts = Counts {
            n: number("n"),
            clean_correct: number("clean_correct"),
            produced: number("produced"),
            produced_correct: number("produced_correct"),
            ..Counts::default()
        };
        let share = |hits, of| Proportion::of(hits, of, CONFIDENCE);
        let sa = share(counts.clean_correct, counts.n);
        let pa = share(counts.produced_correct, counts.produced);
        let vr = share(counts.produced, counts.n);
        let fmr = FmrReading::default().value(&counts);
        let printed = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{:.2}", 100.0 * v));
        let name = row["type"].as_str().unwrap();
        for (key, wanted) in row["from_counts"].as_object().unwrap() {
            let ours = match key.as_str() {
                "sa" => sa.value,
                "pa" => pa.value,
                "vr" => vr.value,
                "fmr" => fmr,
                _ => {
                    tally.not_understood(&format!("from_counts: {key}"));
                    continue;
                }
            };
            tally.same(&format!("{name}: {key}"), &Value::from(printed(ours)), wanted);
        }
        for (key, ours) in [("sa_wilson", sa), ("pa_wilson", pa), ("vr_wilson", vr)] {
            interval(&format!("{name}: {key}"), ours.interval, &row[key], tally);
        }
    }
}

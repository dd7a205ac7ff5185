//! Comparisons of models.

use fmr_core::metrics::{
    Counts, FmrReading, Indicators, Kendall, McNemar, PairedFmr, Ratio, Stability, resampled_fmr, resamples,
};
use serde_json::Value;

use super::cases::Case;
use super::figures::{interval, ratio};
use super::tally::Tally;

const CONFIDENCE: f64 = 0.95;

fn number(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap_or_else(|| panic!("no {key:?} in {value}")) as usize
}

pub(crate) fn paired(case: &Case, tally: &mut Tally) {
    for (name, expected) in case.json("expected.json").as_object().unwrap() {
        if name == "mcnemar" {
            for (i, one) in expected.as_array().unwrap().iter().enumerate() {
                let [a, b, c, d] = ["both", "only_first", "only_second", "neither"].map(|key| number(one, key));
                mcnemar(&format!("mcnemar {i}"), &McNemar::of(a, b, c, d), one, tally);
            }
        } else if case.has(&format!("{name}.tsv")) {
            two_models(case, name, expected, tally);
        } else {
            tally.not_understood(&format!("expected: {name}"));
        }
    }
}

fn mcnemar(what: &str, ours: &McNemar, wanted: &Value, tally: &mut Tally) {
    let own = serde_json::to_value(ours).unwrap();
    for (key, wanted) in wanted.as_object().unwrap() {
        match own.get(key.replace('_', "-")) {
            Some(ours) => tally.value(&format!("{what}.{key}"), ours.as_f64(), wanted),
            None if key == "both_produced" => {
                let all = ours.both + ours.only_first + ours.only_second + ours.neither;
                tally.same(&format!("{what}.{key}"), &Value::from(all), wanted);
            }
            None => tally.not_understood(&format!("mcnemar: {key}")),
        }
    }
}

/// One model's images in a table whose columns end in the model's number.
fn model(case: &Case, name: &str, number: usize) -> Vec<Indicators> {
    let table = case.table(&format!("{name}.tsv"));
    let [clean, produced, last] = ["clean", "produced", "final"].map(|c| table.column(&format!("{c}{number}")));
    let image = |row: &Vec<usize>| Indicators {
        clean_correct: row[clean] == 1,
        produced: row[produced] == 1,
        final_correct: row[last] == 1,
    };
    table.rows.iter().map(image).collect()
}

fn two_models(case: &Case, name: &str, expected: &Value, tally: &mut Tally) {
    let (first, second) = (model(case, name, 1), model(case, name, 2));
    let ours = PairedFmr::of(&first, &second, FmrReading::default(), CONFIDENCE).unwrap();
    for (key, wanted) in expected.as_object().unwrap() {
        let what = format!("{name}: {key}");
        match key.as_str() {
            "first" => one_model(&what, &first, &ours.first, wanted, tally),
            "second" => one_model(&what, &second, &ours.second, wanted, tally),
            "difference" => tally.value(&what, ours.difference, wanted),
            "difference_se" => tally.value(&what, ours.difference_se, wanted),
            "difference_95" => interval(&what, ours.difference_interval, wanted, tally),
            "log_ratio" => tally.value(&what, ours.log_ratio, wanted),
            "log_ratio_se" => tally.value(&what, ours.log_ratio_se, wanted),
            "ratio_95" => interval(&what, ours.ratio_interval, wanted, tally),
            "z" => tally.value(&what, ours.z, wanted),
            "two_sided_p" => tally.value(&what, ours.p, wanted),
            "se_if_pairing_is_ignored" => tally.value(&what, ours.unpaired_se, wanted),
            "mcnemar_on_images_both_produced" => {
                mcnemar(&what, &McNemar::on_produced(&first, &second), wanted, tally);
            }
            "paired_bootstrap_20000" => paired_bootstrap(&what, &first, &second, wanted, tally),
            _ => tally.not_understood(&format!("expected: {key}")),
        }
    }
}

fn one_model(what: &str, images: &[Indicators], ours: &Ratio, wanted: &Value, tally: &mut Tally) {
    let counts = Counts::of(images);
    let names = ["n", "A", "V", "Q", "QC", "VC"];
    let own = [
        counts.n,
        counts.clean_correct,
        counts.produced,
        counts.produced_correct,
        counts.produced_correct_and_clean_correct,
        counts.produced_and_clean_correct,
    ];
    for (name, own) in names.into_iter().zip(own) {
        tally.same(&format!("{what}.{name}"), &Value::from(own), &wanted["counts"][name]);
    }
    ratio(&format!("{what}.fmr"), ours, &wanted["fmr"], tally);
}

/// The case says how near an own bootstrap must come: 3 % of the deviations.
fn paired_bootstrap(what: &str, first: &[Indicators], second: &[Indicators], wanted: &Value, tally: &mut Tally) {
    let reading = FmrReading::default();
    let pairs: Vec<(f64, f64)> = resamples(first.len(), 40_000, 3)
        .filter_map(|r| resampled_fmr(first, &r, reading).zip(resampled_fmr(second, &r, reading)))
        .collect();
    let sd = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mean = pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        (pairs.iter().map(|p| (of(p) - mean).powi(2)).sum::<f64>() / pairs.len() as f64).sqrt()
    };
    let logs = pairs.iter().all(|p| p.0 > 0.0 && p.1 > 0.0);
    for (key, ours) in [("sd_difference", sd(&|p| p.0 - p.1)), ("sd_log_ratio", sd(&|p| (p.0 / p.1).ln()))] {
        if key == "sd_log_ratio" && !logs {
            continue;
        }
        let wanted = wanted[key].as_f64().unwrap();
        tally.near(&format!("{what}.{key}"), ours, wanted, 0.03 * wanted);
    }
}

pub(crate) fn ranking(case: &Case, tally: &mut Tally) {
    for (name, expected) in case.json("expected.json").as_object().unwrap() {
        match name.as_str() {
            "kendall" => {
                for one in expected.as_array().unwrap() {
                    kendall(one, tally);
                }
            }
            "stability" => stability(case, expected, tally),
            _ => tally.not_understood(&format!("expected: {name}")),
        }
    }
}

fn kendall(one: &Value, tally: &mut Tally) {
    let list = |key: &str| one[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<f64>>();
    let own = serde_json::to_value(Kendall::of(&list("x"), &list("y"))).unwrap();
    let name = one["name"].as_str().unwrap_or("unnamed");
    for (key, wanted) in one.as_object().unwrap() {
        let what = format!("kendall, {name}: {key}");
        match (key.as_str(), own.get(key.replace('_', "-"))) {
            ("name" | "x" | "y", _) => {}
            ("p_method", Some(ours)) => tally.same(&what, ours, wanted),
            (_, Some(ours)) => tally.value(&what, ours.as_f64(), wanted),
            (_, None) => tally.not_understood(&format!("kendall: {key}")),
        }
    }
}

fn stability(case: &Case, expected: &Value, tally: &mut Tally) {
    for stem in case.stems(".resamples.tsv") {
        let table = case.table(&format!("{stem}.tsv"));
        let [image, model, clean, produced, last] =
            ["image", "model", "clean_correct", "produced", "final_correct"].map(|c| table.column(c));
        let models = table.rows.iter().map(|r| r[model] + 1).max().unwrap_or(0);
        let of_model = |m: usize| {
            let mut rows: Vec<&Vec<usize>> = table.rows.iter().filter(|r| r[model] == m).collect();
            rows.sort_by_key(|r| r[image]);
            let one = |r: &&Vec<usize>| Indicators {
                clean_correct: r[clean] == 1,
                produced: r[produced] == 1,
                final_correct: r[last] == 1,
            };
            rows.iter().map(one).collect::<Vec<Indicators>>()
        };
        let models: Vec<Vec<Indicators>> = (0..models).map(of_model).collect();
        let resamples = case.resamples(&format!("{stem}.resamples.tsv"));
        let ours = Stability::of(&models, resamples, FmrReading::default());
        for (key, wanted) in expected.as_object().unwrap() {
            let what = format!("stability of {stem}: {key}");
            let optional = |values: &[Option<f64>]| values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>();
            match key.as_str() {
                "observed_fmr" => tally.list(&what, optional(&ours.observed), wanted),
                "mean_tau_b" => tally.value(&what, ours.mean_tau_b, wanted),
                "tau_b" => tally.list(&what, optional(&ours.tau_b), wanted),
                "share_first" => tally.list(&what, ours.share_first.iter().copied(), wanted),
                "share_above" => {
                    tally.same(&format!("{what}: rows"), &ours.share_above.len(), &wanted.as_array().unwrap().len());
                    for (row, wanted) in ours.share_above.iter().zip(wanted.as_array().unwrap()) {
                        tally.list(&what, row.iter().copied(), wanted);
                    }
                }
                _ => tally.not_understood(&format!("stability: {key}")),
            }
        }
    }
}

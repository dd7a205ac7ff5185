//! Planning and Appendix A.

use fmr_core::metrics::Interval;
use fmr_core::metrics::pooling::{Pooling, Simulation};
use fmr_core::metrics::sample_size::{
    Dependence, Expected, images_for_difference, images_for_proportion, of_population,
};
use serde_json::Value;

use super::cases::Case;
use super::figures::interval;
use super::tally::Tally;

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key:?} in {value}"))
}

fn confidence(value: &Value) -> f64 {
    value["conf"].as_f64().unwrap_or(0.95)
}

pub(crate) fn sample_size(case: &Case, tally: &mut Tally) {
    for (section, cases) in case.json("cases.json").as_object().unwrap() {
        for (i, one) in cases.as_array().unwrap().iter().enumerate() {
            let what = format!("{section} {i}");
            let images = |ours: Option<u64>, wanted: &Value, tally: &mut Tally| {
                tally.same(&what, &ours.map_or(Value::Null, Value::from), wanted);
            };
            match section.as_str() {
                "fmr" => fmr(&what, one, tally),
                "proportion" => {
                    let ours = images_for_proportion(number(one, "p"), number(one, "half_width"), confidence(one));
                    images(ours, &one["n"], tally);
                }
                "difference" => {
                    let [a, b, sd, power] =
                        ["fmr1", "fmr2", "sd_of_paired_influence", "power"].map(|key| number(one, key));
                    images(images_for_difference(a, b, sd, power, confidence(one)), &one["n"], tally);
                }
                "wilson" => {
                    let [k, n] = ["k", "n"].map(|key| one[key].as_u64().unwrap() as usize);
                    interval(&what, Interval::wilson(k, n, confidence(one)), &one["wilson"], tally);
                }
                _ => tally.not_understood(&format!("section {section}")),
            }
        }
    }
}

fn fmr(what: &str, one: &Value, tally: &mut Tally) {
    let expected = Expected { sa: number(one, "sa"), pa: number(one, "pa"), vr: number(one, "vr") };
    let dependence: Dependence = serde_json::from_value(one["dependence"].clone()).unwrap();
    let n = expected.images_for(number(one, "half_width"), dependence, confidence(one));
    for (key, wanted) in one.as_object().unwrap() {
        let what = format!("{what}: {key}");
        match key.as_str() {
            "name" | "sa" | "pa" | "vr" | "half_width" | "conf" | "dependence" => {}
            "fmr" => tally.value(&what, Some(expected.fmr()), wanted),
            "sigma2_log" => tally.value(&what, Some(expected.variance_of_log(dependence)), wanted),
            "n" => tally.same(&what, &n.map_or(Value::Null, Value::from), wanted),
            _ => match key.strip_prefix("n_of_population_").and_then(|p| p.parse().ok()) {
                Some(population) => {
                    let ours = n.and_then(|n| of_population(n, population));
                    tally.same(&what, &ours.map_or(Value::Null, Value::from), wanted);
                }
                None => tally.not_understood(&format!("fmr: {key}")),
            },
        }
    }
}

pub(crate) fn pooling(case: &Case, tally: &mut Tally) {
    for (i, one) in case.json("cases.json").as_array().unwrap().iter().enumerate() {
        let sizes: Vec<usize> = serde_json::from_value(one["sizes"].clone()).unwrap();
        let closed = Pooling::of(&sizes).unwrap();
        for (key, wanted) in one.as_object().unwrap() {
            let what = format!("{i}: {key}");
            let ours = match key.as_str() {
                "sizes" => continue,
                "kappa" => closed.kappa,
                "mean_var" => closed.mean_variance,
                "single_var" => closed.single_mean_variance,
                "cov_within_var_over_sigma2" => closed.covariance_variance,
                "cov_single_var_over_sigma2" => closed.single_covariance_variance,
                "pooled_around_pooled_mean_bias" => closed.bias_around_pooled_mean,
                "paper_bound_on_second_moment" => closed.single_covariance_second_moment,
                "monte_carlo" => {
                    simulations(&what, &sizes, &closed, wanted, tally);
                    continue;
                }
                _ => {
                    tally.not_understood(&format!("case: {key}"));
                    continue;
                }
            };
            tally.value(&what, Some(ours), wanted);
        }
    }
}

/// An own simulation, and the one of the case, within the case's bands of the closed forms.
fn simulations(what: &str, sizes: &[usize], closed: &Pooling, theirs: &Value, tally: &mut Tally) {
    let own = Simulation::run(sizes, 100_000, 1);
    let found = [own.mean_variance, own.covariance_mean, own.covariance_variance, own.between_mean];
    let reference = ["mean_var", "cov_within_mean", "cov_within_var", "between_mean"].map(|key| number(theirs, key));
    for (replicates, [mean_var, cov_mean, cov_var, between]) in
        [(own.replicates as f64, found), (number(theirs, "replicates"), reference)]
    {
        let relative = 5.0 * (2.0 / replicates).sqrt();
        let absolute = 5.0 / replicates.sqrt();
        tally.near(&format!("{what}: mean_var"), mean_var, closed.mean_variance, relative * closed.mean_variance);
        let wanted = closed.covariance_variance;
        tally.near(&format!("{what}: cov_within_var"), cov_var, wanted, relative * wanted);
        tally.near(&format!("{what}: cov_within_mean"), cov_mean, 1.0, absolute);
        tally.near(&format!("{what}: between_mean"), between, closed.bias_around_pooled_mean, absolute);
    }
    tally.near(&format!("{what}: mean"), own.mean_bias, 0.0, 5.0 / (own.replicates as f64).sqrt());
}

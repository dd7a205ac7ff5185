//! Schedules, respacing, the embedding of time, and images in and out.

use burn::tensor::Device;
use fmr_core::preprocess::Picture;
use fmr_diffusion::{FixedVariance, NoiseSchedule, Process, Respacing, Tables, Training, centre_crop, to_bytes};
use fmr_golden::{Case, Report};
use fmr_nn::functional::timestep_embedding;

use crate::support::{schedule, values};

pub(crate) fn compare(case: &Case) -> Report<'_> {
    let mut report = case.sheet().report();
    for name in report.open().collect::<Vec<_>>() {
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            [_, "map", steps, respacing] => {
                let kept = respacing.parse::<Respacing>().unwrap().timesteps(steps.parse().unwrap()).unwrap();
                report.ints(name, &kept.into_iter().map(|step| step as i64).collect::<Vec<_>>());
            }
            [_, "spaced", process, respacing, table] => {
                report.floats(name, &rounded(&column(&spaced(process, respacing), table)));
            }
            [_, "model_t", steps, respacing, scale] => report.floats(name, &told(steps, respacing, scale)),
            [_, "temb", size] => {
                let t = case.sheet().floats("input.temb.t");
                report.floats(name, &values(timestep_embedding(t, size.parse().unwrap(), &Device::flex())));
            }
            [_, "crop", id] => report.floats(name, &cropped(case, id, case.sheet().shape(name)[0])),
            [_, "quant"] => {
                let bytes = to_bytes(case.sheet().floats("input.quant"));
                report.floats(name, &bytes.into_iter().map(f32::from).collect::<Vec<_>>());
            }
            [_, process, table] => report.floats(name, &rounded(&column(&whole(process), table))),
            _ => {}
        }
    }
    digits(case);
    refusals(case);
    report
}

fn rounded(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// Schedule and steps of `linear1000`.
fn process(name: &str) -> Training {
    let at = name.find(|c: char| c.is_ascii_digit()).unwrap();
    let (noise_schedule, diffusion_steps) = (schedule(&name[..at]), name[at..].parse().unwrap());
    Training { noise_schedule, diffusion_steps, rescale_timesteps: false, fixed_variance: FixedVariance::Large }
}

fn whole(name: &str) -> Tables {
    let training = process(name);
    Tables::new(training.noise_schedule.betas(training.diffusion_steps)).unwrap()
}

fn spaced(name: &str, respacing: &str) -> Tables {
    Process::new(process(name), &respacing.parse().unwrap()).unwrap().tables().clone()
}

/// A table, or what the original code derives from one.
fn column(t: &Tables, name: &str) -> Vec<f64> {
    let of = |f: fn(f64) -> f64| t.alphas_cumprod.iter().map(|a| f(*a)).collect();
    match name {
        "betas" => t.betas.clone(),
        "alphas_cumprod" => t.alphas_cumprod.clone(),
        "alphas_cumprod_prev" => t.alphas_cumprod_prev.clone(),
        "alphas_cumprod_next" => t.alphas_cumprod_next.clone(),
        "sqrt_alphas_cumprod" => of(f64::sqrt),
        "sqrt_one_minus_alphas_cumprod" => of(|a| (1.0 - a).sqrt()),
        "log_one_minus_alphas_cumprod" => of(|a| (1.0 - a).ln()),
        "sqrt_recip_alphas_cumprod" => of(|a| (1.0 / a).sqrt()),
        "sqrt_recipm1_alphas_cumprod" => of(|a| (1.0 / a - 1.0).sqrt()),
        "posterior_variance" => t.posterior_variance.clone(),
        "posterior_log_variance_clipped" => t.posterior_log_variance_clipped.clone(),
        "posterior_mean_coef1" => t.posterior_mean_coef1.clone(),
        "posterior_mean_coef2" => t.posterior_mean_coef2.clone(),
        other => panic!("table {other}"),
    }
}

/// What the network is told at the first, second, eighth and last step.
fn told(steps: &str, respacing: &str, scale: &str) -> Vec<f32> {
    let training = Training {
        noise_schedule: NoiseSchedule::Cosine,
        diffusion_steps: steps.parse().unwrap(),
        rescale_timesteps: scale == "rescaled",
        fixed_variance: FixedVariance::Large,
    };
    let process = Process::new(training, &respacing.parse().unwrap()).unwrap();
    process.network_times(&[0, 1, 7, process.timestep_map().len() - 1])
}

/// The crop of a picture, which the case holds with the channels last.
fn cropped(case: &Case, id: &str, size: usize) -> Vec<f32> {
    let name = format!("input.crop.{id}");
    let [h, w, c] = <[usize; 3]>::try_from(case.sheet().shape(&name)).unwrap();
    let interleaved = case.sheet().floats(&name);
    let bytes = (0..c).flat_map(|k| (0..h * w).map(move |p| interleaved[p * c + k] as u8)).collect();
    let crop = centre_crop(Picture { shape: [c, h, w], bytes }, size);
    (0..size * size).flat_map(|p| (0..c).map(move |k| k * size * size + p)).map(|i| f32::from(crop.bytes[i])).collect()
}

/// First and last values and sums in full digits.
fn digits(case: &Case) {
    for (process, known) in case.value("values").and_then(|v| v.as_table()).into_iter().flatten() {
        for (name, value) in known.as_table().into_iter().flatten() {
            let found = ["_sum", "_first", "_last"].into_iter().find_map(|end| Some((name.strip_suffix(end)?, end)));
            let (Some((table, end)), Some(value)) = (found, value.as_float()) else { continue };
            let column = column(&whole(process), table);
            let found = match end {
                "_sum" => column.iter().sum(),
                "_first" => column[0],
                _ => column[column.len() - 1],
            };
            assert!((found - value).abs() <= 1e-9 * value.abs(), "{process}: {name} is {found}, not {value}");
        }
    }
}

/// What the original code refuses is refused.
fn refusals(case: &Case) {
    for text in case.texts("invalid_respacings.steps_and_spec") {
        let (steps, respacing) = text.split_once(':').unwrap();
        let kept = respacing.parse::<Respacing>().unwrap().timesteps(steps.parse().unwrap());
        assert!(kept.is_err(), "{text}");
    }
}

//! What the comparisons share.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use fmr_diffusion::{FixedVariance, NoiseSchedule, Process, Training, Unet};
use fmr_golden::{Case, Report, Sheet, Values};
use fmr_nn::bridge::Traced;
use fmr_nn::device::test_device;

/// A tensor of a sheet.
pub(crate) fn tensor<const D: usize>(sheet: &Sheet, name: &str) -> Tensor<D> {
    let data = TensorData::new(sheet.floats(name).to_vec(), sheet.shape(name).to_vec());
    Tensor::from_data(data, &test_device())
}

/// A tensor's values.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.without_autodiff().into_data().try_into_vec().unwrap()
}

/// Times, whole or not.
pub(crate) fn times(sheet: &Sheet, name: &str) -> Vec<f32> {
    match &sheet.get(name).unwrap().values {
        Values::Float(values) => values.clone(),
        Values::Int(values) => values.iter().map(|v| *v as f32).collect(),
    }
}

/// Indices of a sheet, if it has them.
pub(crate) fn indices(sheet: &Sheet, name: &str) -> Option<Vec<usize>> {
    sheet.get(name).map(|_| sheet.ints(name).iter().map(|v| *v as usize).collect())
}

/// Gradient of ⟨f(x), cotangent⟩.
pub(crate) fn pull<const O: usize>(
    x: Tensor<4>,
    cotangent: Tensor<O>,
    f: impl FnOnce(Tensor<4>) -> Tensor<O>,
) -> Vec<f32> {
    values(Traced::new(x, f).pull_back(cotangent))
}

/// Offers whole numbers where the sheet has such, else values.
pub(crate) fn offer_times(report: &mut Report<'_>, sheet: &Sheet, name: &str, times: &[f32]) {
    match sheet.get(name).map(|tensor| &tensor.values) {
        Some(Values::Int(_)) => report.ints(name, &times.iter().map(|t| *t as i64).collect::<Vec<_>>()),
        _ => report.floats(name, times),
    }
}

/// What a probe saw, by name.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Seen {
    pub(crate) fn note(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.0.insert(name.to_owned(), (shape.to_vec(), values.to_vec()));
    }

    /// Offers each as `mid.NAME`, cut to the first samples and channels that the sheet has.
    pub(crate) fn offer(&self, report: &mut Report<'_>, sheet: &Sheet, name: impl Fn(&str) -> String) {
        for (seen, (shape, values)) in &self.0 {
            let name = name(seen);
            let Some(wanted) = sheet.get(&name) else { continue };
            let channel: usize = shape[2..].iter().product();
            let samples = values.chunks_exact(shape[1] * channel).take(wanted.shape[0]);
            let cut: Vec<f32> = samples.flat_map(|sample| &sample[..wanted.shape[1] * channel]).copied().collect();
            report.floats(&name, &cut);
        }
    }
}

pub(crate) fn flag(case: &Case, path: &str) -> bool {
    case.value(path).and_then(|v| v.as_bool()).unwrap_or(false)
}

pub(crate) fn count(case: &Case, path: &str) -> Option<usize> {
    case.number(path).filter(|n| *n > 0.0).map(|n| n as usize)
}

pub(crate) fn schedule(name: &str) -> NoiseSchedule {
    match name {
        "linear" => NoiseSchedule::Linear,
        "cosine" => NoiseSchedule::Cosine,
        other => panic!("schedule {other}"),
    }
}

/// The process of a case with a network.
pub(crate) fn training(case: &Case) -> Training {
    let small = flag(case, "diffusion.sigma_small");
    Training {
        noise_schedule: schedule(case.text("diffusion.noise_schedule").unwrap_or("linear")),
        diffusion_steps: count(case, "diffusion.steps").unwrap_or(1000),
        rescale_timesteps: flag(case, "diffusion.rescale_timesteps"),
        fixed_variance: if small { FixedVariance::Small } else { FixedVariance::Large },
    }
}

/// A network that sees noise, and the classes that it is told.
pub(crate) struct Model<'n> {
    pub(crate) net: &'n Unet,
    pub(crate) classes: Option<Vec<usize>>,
}

impl Model<'_> {
    pub(crate) fn output(&self, x: Tensor<4>, times: &[f32]) -> Tensor<4> {
        self.net.forward(x, times, self.classes.as_deref())
    }

    /// ε at one time for all samples.
    pub(crate) fn eps(&self, x: Tensor<4>, time: f32) -> Tensor<4> {
        let [n, c, ..] = x.dims();
        self.output(x, &vec![time; n]).narrow(1, 0, c)
    }
}

/// The process that a text at `path` respaces.
pub(crate) fn respaced(case: &Case, path: &str) -> Option<Process> {
    let respacing = case.text(path)?.parse().unwrap();
    Some(Process::new(training(case), &respacing).unwrap())
}

/// The steps that are kept, as a sheet has them.
pub(crate) fn map(process: &Process) -> Vec<i64> {
    process.timestep_map().iter().map(|step| *step as i64).collect()
}

//! Chains: DDIM there and back, fixed points, guided steps from noise, and gradients through all of them.

use burn::tensor::Tensor;
use fmr_diffusion::{Process, Unet, invert};
use fmr_golden::{Case, Report};
use fmr_nn::checkpointing::Checkpointed;

use crate::support::{Model, count, indices, map, respaced, tensor, values};

pub(crate) fn compare(case: &Case, net: &Unet, report: &mut Report<'_>) {
    let Some(process) = respaced(case, "chain.respacing").filter(|_| case.sheet().get("input.chain.x0").is_some())
    else {
        return;
    };
    let model = Model { net, classes: indices(case.sheet(), "input.chain.y") };
    report.ints("output.chain.timestep_map", &map(&process));
    let chain = Chain { case, process, model };
    chain.encode(report);
    chain.decode(report);
    chain.guided(report);
}

struct Chain<'c> {
    case: &'c Case,
    process: Process,
    model: Model<'c>,
}

impl Chain<'_> {
    fn input(&self, name: &str) -> Tensor<4> {
        tensor(self.case.sheet(), &format!("input.chain.{name}"))
    }

    fn last(&self) -> usize {
        self.process.timestep_map().len() - 1
    }

    fn middle(&self) -> usize {
        count(self.case, "chain.k0").unwrap()
    }

    /// The reverse of DDIM from the image, step by step.
    fn encode(&self, report: &mut Report<'_>) {
        let mut x = self.input("x0");
        for step in 0..=self.last() {
            let noising = self.process.noising(step);
            x = noising.apply(x.clone(), self.model.eps(x, noising.time));
            let found = values(x.clone());
            report.floats(&format!("mid.chain.encode_{step}"), &found);
            if step + 1 == self.last() {
                report.floats("output.chain.latent", &found);
            }
        }
        report.floats("output.chain.beyond", &values(x));
        let eps = |x: Tensor<4>, time: f32| self.model.eps(x, time);
        let latent =
            (0..=self.middle()).fold(self.input("x0"), |x, step| invert(self.process.denoising(step), x, 3, eps));
        report.floats("output.chain.fp3.latent", &values(latent.clone()));
        let image = self.run(latent, self.middle(), false).output();
        report.floats("output.chain.fp3.image", &values(image));
    }

    /// One step of `run`: number `i` of those from `first` down to 0.
    fn step(&self, first: usize, clamp: bool) -> impl Fn(usize, Tensor<4>) -> Tensor<4> {
        move |i, x| {
            let denoising = self.process.denoising(first - i);
            let eps = self.model.eps(x.clone(), denoising.time);
            let eps = if clamp { denoising.clamped(x.clone(), eps) } else { eps };
            denoising.apply(x, eps)
        }
    }

    fn run(&self, x: Tensor<4>, first: usize, clamp: bool) -> Checkpointed<4> {
        Checkpointed::new(x, first + 1, self.step(first, clamp))
    }

    fn decode(&self, report: &mut Report<'_>) {
        let full = self.input("z_full");
        report.floats("mid.chain.full_first", &values(self.step(self.last(), false)(0, full)));
        let runs = [("full", self.last(), false), ("part", self.middle(), false), ("part_clip", self.middle(), true)];
        for (name, first, clamp) in runs {
            let chain = self.run(self.input(&format!("z_{name}")), first, clamp);
            report.floats(&format!("output.chain.{name}.image"), &values(chain.output()));
            let probe = tensor::<4>(self.case.sheet(), "probe.chain");
            let gradient = chain.pull_back(probe, self.step(first, clamp));
            report.floats(&format!("grad.chain.{name}"), &values(gradient));
        }
    }

    /// Noise on the image, and guided steps back.
    fn guided(&self, report: &mut Report<'_>) {
        if self.case.sheet().get("input.chain.guide_target").is_none() {
            return;
        }
        let (target, scale) = (self.input("guide_target"), self.case.number("chain.guide_scale").unwrap() as f32);
        let guide = |x: &Tensor<4>| (target.clone() - x.clone()) * scale;
        let first = self.middle();
        let x0 = self.input("x0");
        let n = x0.dims()[0];
        let start = self.process.q_sample(x0, &vec![first; n], self.input("noise"));
        report.floats("output.chain.sdedit.start", &values(start.clone()));
        let ddim = (0..=first).rev().fold(start.clone(), |x, step| {
            let denoising = self.process.denoising(step);
            let eps = denoising.clamped(x.clone(), self.model.eps(x.clone(), denoising.time));
            let gradient = guide(&x);
            denoising.apply(x, denoising.guided(eps, gradient))
        });
        report.floats("output.chain.sdedit.ddim_image", &values(ddim));
        let noise: Tensor<5> = tensor(self.case.sheet(), "input.chain.step_noise");
        let ancestral = (0..=first).rev().fold(start, |x, step| {
            let steps = vec![step; n];
            let output = self.model.output(x.clone(), &self.process.network_times(&steps));
            let prediction = self.process.predict(&x, &steps, output, true);
            let prediction = self.process.guide_mean(prediction, guide(&x));
            let noise = noise.clone().narrow(0, first - step, 1).squeeze_dim(0);
            self.process.ancestral(prediction, &steps, noise)
        });
        report.floats("output.chain.sdedit.ddpm_image", &values(ancestral));
    }
}

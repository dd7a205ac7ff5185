//! From images to noise and back, on the model's own images.

use burn::tensor::{Device, Tensor};
use fmr_nn::bridge::Traced;
use fmr_nn::checkpointing::Checkpointed;

use super::noise;
use super::settings::{Encode, Mode, Sampler};
use crate::chain::{Transition, invert};
use crate::process::Process;
use crate::unet::Unet;

/// A network and the steps that are taken with it.
#[derive(Debug)]
pub(super) struct Sampling {
    pub(super) net: Unet,
    /// The process of several steps.
    pub(super) process: Option<Process>,
    /// Steps towards the image, noisiest first.
    pub(super) transitions: Vec<Transition>,
    pub(super) mode: Mode,
    pub(super) encode: Encode,
    pub(super) evaluations: usize,
    pub(super) clamp: bool,
    pub(super) sampler: Sampler,
    pub(super) seed: u64,
    pub(super) device: Device,
}

/// What a chain of one batch needs to know beyond the values.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Classes that the network is told.
    pub(super) classes: Option<Vec<usize>>,
    /// Keys of the noise of ancestral steps.
    pub(super) keys: Vec<u64>,
}

/// A chain that was run, with what its way back needs.
pub(super) enum Run {
    /// Inputs of steps that run again.
    Checkpointed(Box<Checkpointed<4>>),
    /// One tape a step.
    Taped(Vec<Traced<4, 4>>),
}

impl Sampling {
    /// ε at one time for all samples.
    fn eps(&self, x: Tensor<4>, time: f32, classes: Option<&[usize]>) -> Tensor<4> {
        let [n, c, ..] = x.dims();
        self.net.forward(x, &vec![time; n], classes).narrow(1, 0, c)
    }

    /// Noisy images of the first step's level for images in [-1, 1].
    pub(super) fn noisy(&self, images: Tensor<4>, classes: Option<&[usize]>) -> Tensor<4> {
        let eps = |x: Tensor<4>, time: f32| self.eps(x, time, classes);
        match (self.encode, &self.process) {
            (Encode::FixedPoint, _) => {
                self.transitions.iter().rev().fold(images, |x, step| invert(*step, x, self.evaluations, eps))
            }
            (Encode::Reverse, Some(process)) => (0..self.transitions.len() - 1).fold(images, |x, step| {
                let noising = process.noising(step);
                noising.apply(x.clone(), eps(x, noising.time))
            }),
            (Encode::Noise, _) | (Encode::Reverse, None) => {
                let [_, c, h, w] = images.dims();
                let kept = self.transitions.first().map_or(1.0, |step| step.from);
                // Ancestral steps use the numbers from 0.
                let noise = noise::normal(self.seed, &noise::keys(&images), u64::MAX, [c, h, w], &self.device);
                images * (kept.sqrt() as f32) + noise * ((1.0 - kept).sqrt() as f32)
            }
        }
    }

    /// Step number `i` from noise to image. In the mode `guided` the state is the values and, below them, the direction.
    fn step<'a>(&'a self, batch: &'a Batch) -> impl Fn(usize, Tensor<4>) -> Tensor<4> + 'a {
        move |i, state| {
            let transition = self.transitions[i];
            let classes = batch.classes.as_deref();
            if self.mode != Mode::Guided {
                let eps = self.eps(state.clone(), transition.time, classes);
                let eps = if self.clamp { transition.clamped(state.clone(), eps) } else { eps };
                return transition.apply(state, eps);
            }
            let c = state.dims()[1] / 2;
            let [x, direction] = [0, c].map(|at| state.clone().narrow(1, at, c));
            let x = match (self.sampler, &self.process) {
                (Sampler::Ancestral, Some(process)) => {
                    self.ancestral(process, self.transitions.len() - 1 - i, x, direction.clone(), batch)
                }
                _ => {
                    let eps = self.eps(x.clone(), transition.time, classes);
                    let eps = if self.clamp { transition.clamped(x.clone(), eps) } else { eps };
                    transition.apply(x, transition.guided(eps, direction.clone()))
                }
            };
            Tensor::cat(vec![x, direction], 1)
        }
    }

    fn ancestral(
        &self,
        process: &Process,
        step: usize,
        x: Tensor<4>,
        direction: Tensor<4>,
        batch: &Batch,
    ) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let steps = vec![step; n];
        let output = self.net.forward(x.clone(), &process.network_times(&steps), batch.classes.as_deref());
        let prediction = process.guide_mean(process.predict(&x, &steps, output, self.clamp), direction);
        let noise = noise::normal(self.seed, &batch.keys, step as u64, [c, h, w], &self.device);
        process.ancestral(prediction, &steps, fmr_nn::bridge::beside(noise, &x))
    }

    /// Runs all steps from `state`.
    pub(super) fn run(&self, state: Tensor<4>, batch: &Batch) -> Tensor<4> {
        (0..self.transitions.len()).fold(state, |x, i| self.step(batch)(i, x))
    }

    /// As [`Sampling::run`], so that there is a way back: with the steps run again, or with their tapes kept.
    pub(super) fn run_with_way_back(&self, state: Tensor<4>, batch: &Batch, checkpoint: bool) -> Run {
        let step = self.step(batch);
        if checkpoint {
            return Run::Checkpointed(Box::new(Checkpointed::new(state, self.transitions.len(), step)));
        }
        let mut tapes = Vec::with_capacity(self.transitions.len());
        let mut x = state;
        for i in 0..self.transitions.len() {
            let traced = Traced::new(x, |x| step(i, x));
            x = traced.output();
            tapes.push(traced);
        }
        Run::Taped(tapes)
    }

    /// Gradient in the state that a run started from, given that in the state that it ended with.
    pub(super) fn pull_back(&self, run: Run, gradient: Tensor<4>, batch: &Batch) -> Tensor<4> {
        match run {
            Run::Checkpointed(chain) => chain.pull_back(gradient, self.step(batch)),
            Run::Taped(tapes) => tapes.into_iter().rev().fold(gradient, |g, tape| tape.pull_back(g)),
        }
    }
}

impl Run {
    /// The state at the end; none of a run without steps.
    pub(super) fn output(&self) -> Option<Tensor<4>> {
        match self {
            Self::Checkpointed(chain) => Some(chain.output()),
            Self::Taped(tapes) => tapes.last().map(Traced::output),
        }
    }
}

//! Each pass of upstream's that a case holds, and what it asks of it.

use std::f32::consts::LN_2;

use burn::tensor::{Int, Tensor};
use fmr_golden::{Report, Sheet};
use fmr_nn::bridge::beside;
use fmr_nn::probe::Probe;
use fmr_vdvae::{Choice, Gaussian, Network, Output, OutputNoise, VdvaeConfig};

use crate::pull;
use crate::support::{numbered, tensor, values};

pub(crate) struct Model<'c> {
    pub(crate) network: &'c Network,
    pub(crate) config: &'c VdvaeConfig,
    pub(crate) io: &'c Sheet,
}

/// What an encoding pass gives.
struct Pass {
    parameters: Tensor<4>,
    latents: Vec<Tensor<4>>,
    layers: Vec<[Gaussian; 2]>,
}

impl Pass {
    /// KL divergence of each value of each layer.
    fn divergences(&self) -> Vec<Tensor<4>> {
        self.layers.iter().map(|[prior, posterior]| posterior.divergence(prior)).collect()
    }
}

fn sum_of(x: Tensor<4>) -> Tensor<1> {
    let n = x.dims()[0];
    x.sum_dim(1).sum_dim(2).sum_dim(3).reshape([n])
}

/// What stands between `start` and `end` in the names of draws that the case wants, with the temperature that it means:
/// `_t07` is 0.7, the digits with the point after the first; nothing is 1.
fn temperatures(report: &Report<'_>, start: &str, end: &str) -> Vec<(String, f32)> {
    let suffixes = report.open().filter_map(|name| name.strip_prefix(start)?.strip_suffix(end));
    let temperature = |suffix: &str| match suffix.strip_prefix("_t") {
        Some(digits) => format!("{}.{}", &digits[..1], &digits[1..]).parse().unwrap(),
        None => 1.0,
    };
    suffixes.map(|suffix| (suffix.to_owned(), temperature(suffix))).collect()
}

impl Model<'_> {
    fn n(&self) -> usize {
        self.io.shape("input.image")[0]
    }

    fn image(&self) -> Tensor<4> {
        tensor(self.io, "input.image")
    }

    pub(crate) fn encoder(&self, report: &mut Report<'_>) {
        let mut view = |name: &str, _: &[usize], values: &[f32]| report.floats(&format!("mid.{name}"), values);
        self.network.encoder.forward(self.image(), &mut Probe::to(&mut view));
    }

    /// Encodes with noise in posteriors; none where `noise` is absent.
    fn pass(&self, image: Tensor<4>, noise: Option<Vec<Tensor<4>>>, probe: &mut Probe<'_>) -> Pass {
        let skips = self.network.encoder.forward(image, &mut Probe::off());
        let mut pass =
            Pass { parameters: Tensor::zeros([1; 4], &skips[0].device().inner()), latents: vec![], layers: vec![] };
        let choose = |choice: Choice<'_>| {
            let posterior = choice.posterior.unwrap();
            let z = match &noise {
                Some(noise) => posterior.draw(beside(noise[choice.layer].clone(), &posterior.mean), 1.0),
                None => posterior.mean.clone(),
            };
            pass.latents.push(z.clone());
            pass.layers.push([choice.prior.clone(), posterior.clone()]);
            z
        };
        let parameters = self.network.decoder.reconstruct(&skips, choose, probe);
        Pass { parameters, ..pass }
    }

    /// The passes `mean` and `sample`.
    pub(crate) fn posteriors(&self, name: &str, report: &mut Report<'_>) -> Vec<Tensor<4>> {
        let mut streams = Vec::new();
        let mut view = |stream: &str, _: &[usize], values: &[f32]| streams.push((stream.to_owned(), values.to_vec()));
        let pass = self.pass(self.image(), self.noise(name), &mut Probe::to(&mut view));
        let mut offer = |key: &str, got: Vec<f32>| report.floats(&format!("output.{name}.{key}"), &got);
        offer("logits", values(pass.parameters.clone()));
        for (i, z) in pass.latents.iter().enumerate() {
            offer(&format!("z.{i:02}"), values(z.clone()));
            let [prior, posterior] = &pass.layers[i];
            offer(&format!("post_mean.{i:02}"), values(posterior.mean.clone()));
            offer(&format!("post_std.{i:02}"), values(posterior.std.clone()));
            offer(&format!("prior_mean.{i:02}"), values(prior.mean.clone()));
            offer(&format!("prior_std.{i:02}"), values(prior.std.clone()));
        }
        self.divergences(name, &pass, report);
        for (i, [prior, posterior]) in pass.layers.iter().enumerate() {
            report.floats(&format!("mid.{name}.post_logstd.{i:02}"), &values(posterior.statistic.clone()));
            report.floats(&format!("mid.{name}.prior_logstd.{i:02}"), &values(prior.statistic.clone()));
        }
        for (stream, values) in streams {
            report.floats(&format!("mid.{name}.{stream}"), &values);
        }
        self.pictures(name, &pass.parameters, report);
        pass.latents
    }

    /// Divergences of each layer, and the bound that they are part of.
    fn divergences(&self, name: &str, pass: &Pass, report: &mut Report<'_>) {
        let n = self.n() as f32;
        let pixels = Output::effective_pixels(self.config) as f32;
        let (mut nats, mut layer, mut average, mut variates) = (vec![], vec![], vec![], vec![]);
        for (i, divergence) in pass.divergences().into_iter().enumerate() {
            report.floats(&format!("mid.{name}.kl_map.{i:02}"), &values(divergence.clone()));
            let [_, v, h, w] = divergence.dims();
            variates.extend(values(divergence.clone().mean_dim(0).mean_dim(2).mean_dim(3)).iter().map(|v| v / LN_2));
            let each = values(sum_of(divergence));
            let sum: f32 = each.iter().sum();
            layer.push(sum / (n * pixels));
            average.push(sum / ((v * h * w) as f32 * n * LN_2));
            nats.extend(each);
        }
        let mut offer = |key: &str, got: &[f32]| report.floats(&format!("output.{name}.{key}"), got);
        offer("kl_nats", &nats);
        offer("kl_layer", &layer);
        offer("kl_layer_avg", &average);
        offer("div_stats", &variates);
        let nll = self.network.output.negative_log_likelihood(pass.parameters.clone(), self.image());
        let reconstruction = values(nll).iter().sum::<f32>() / n;
        let divergence: f32 = layer.iter().sum();
        let total = reconstruction / pixels + divergence;
        // Bits a dimension, or nats an image.
        let unit = if self.config.is_bernoulli() { pixels } else { 1.0 / LN_2 };
        let (reconstruction, divergence) = (reconstruction / pixels * unit, divergence * unit);
        offer("elbo", &[reconstruction, divergence, reconstruction + divergence, total]);
    }

    /// Every picture that a pass's parameters stand for.
    fn pictures(&self, name: &str, parameters: &Tensor<4>, report: &mut Report<'_>) {
        let output = &self.network.output;
        let likely = output.most_likely(parameters.clone());
        let weighted = values(likely.clone() * tensor::<4>(self.io, "probe.image")).iter().sum::<f32>();
        report.floats(&format!("output.{name}.probe_image"), &[weighted]);
        report.floats(&format!("output.{name}.image_ml"), &values(likely));
        report.floats(&format!("output.{name}.image_softmix"), &values(output.soft_mixture(parameters.clone())));
        if let Output::Mixture(mixture) = output {
            let ints = |x: Tensor<4, Int>| x.into_data().iter::<i64>().collect::<Vec<_>>();
            report.ints(&format!("mid.{name}.mixture_index"), &ints(mixture.components(parameters)));
            for (suffix, temperature) in temperatures(report, &format!("mid.{name}.draw"), "_index") {
                let noise = tensor(self.io, "input.gumbel_u");
                let drawn = mixture.drawn_components(parameters, noise, temperature);
                report.ints(&format!("mid.{name}.draw{suffix}_index"), &ints(drawn));
            }
        }
        for (suffix, temperature) in temperatures(report, &format!("output.{name}.image_draw"), "") {
            let noise = match output {
                Output::Mixture(_) => OutputNoise::Mixture {
                    component: tensor(self.io, "input.gumbel_u"),
                    place: tensor(self.io, "input.logistic_u"),
                },
                Output::Bernoulli { .. } => OutputNoise::Bernoulli(tensor(self.io, "input.bernoulli_u")),
            };
            let drawn = output.draw(parameters.clone(), noise, temperature).unwrap();
            report.floats(&format!("output.{name}.image_draw{suffix}"), &values(drawn));
        }
    }

    /// Noise of a pass's posteriors.
    fn noise(&self, name: &str) -> Option<Vec<Tensor<4>>> {
        (name == "sample").then(|| numbered(self.io, "input.eps"))
    }

    /// Gradients through encoder, posteriors and decoder.
    pub(crate) fn image_gradients(&self, report: &mut Report<'_>) {
        let off = || Probe::off();
        let output = &self.network.output;
        let picture = || tensor::<4>(self.io, "probe.image");
        for name in ["mean", "sample"] {
            let noise = self.noise(name);
            let likely = |x| output.most_likely(self.pass(x, noise.clone(), &mut off()).parameters);
            report.floats(&format!("grad.{name}.image_ml.image"), &pull(self.image(), likely, picture()));
            let logits = |x| self.pass(x, noise.clone(), &mut off()).parameters;
            let cotangent = tensor::<4>(self.io, "probe.logits");
            report.floats(&format!("grad.{name}.logits.image"), &pull(self.image(), logits, cotangent));
            let divergence = |x| {
                let all = self.pass(x, noise.clone(), &mut off()).divergences();
                all.into_iter().map(sum_of).reduce(|a, b| a + b).unwrap()
            };
            let ones = Tensor::ones([self.n()], &picture().device());
            report.floats(&format!("grad.{name}.kl.image"), &pull(self.image(), divergence, ones));
        }
        let noise = numbered(self.io, "input.eps");
        for (i, eps) in noise.iter().enumerate() {
            let f = |eps: Tensor<4>| {
                // Everything before is a constant: the tape begins at this layer's noise.
                let mut noise: Vec<Tensor<4>> = noise.iter().map(|e| beside(e.clone(), &eps)).collect();
                noise[i] = eps;
                output.most_likely(self.pass(beside(self.image(), &noise[i]), Some(noise), &mut off()).parameters)
            };
            report.floats(&format!("grad.sample.image_ml.eps.{i:02}"), &pull(eps.clone(), f, picture()));
        }
    }

    /// Decoding of given latents.
    pub(crate) fn decode(&self, report: &mut Report<'_>) {
        let latents = numbered(self.io, "input.z");
        let output = &self.network.output;
        let parameters = self.network.decoder.decode(latents.clone());
        report.floats("output.decode.logits", &values(parameters.clone()));
        self.pictures("decode", &parameters, report);
        for (i, z) in latents.iter().enumerate() {
            let decode = |z: Tensor<4>| {
                let mut all: Vec<Tensor<4>> = latents.iter().map(|other| beside(other.clone(), &z)).collect();
                all[i] = z;
                self.network.decoder.decode(all)
            };
            let (picture, logits) = (tensor::<4>(self.io, "probe.image"), tensor::<4>(self.io, "probe.logits"));
            let likely = pull(z.clone(), |z| output.most_likely(decode(z)), picture.clone());
            report.floats(&format!("grad.decode.image_ml.z.{i:02}"), &likely);
            let soft = pull(z.clone(), |z| output.soft_mixture(decode(z)), picture);
            report.floats(&format!("grad.decode.image_softmix.z.{i:02}"), &soft);
            report.floats(&format!("grad.decode.logits.z.{i:02}"), &pull(z.clone(), decode, logits));
        }
    }

    /// Draws without an image.
    pub(crate) fn generate(&self, report: &mut Report<'_>) {
        let noise = numbered(self.io, "input.gen.eps");
        let temperatures = self.io.floats("input.gen.temperatures");
        let mut latents = Vec::new();
        let parameters = self.network.decoder.generate(noise[0].dims()[0], |choice| {
            let z = choice.prior.draw(noise[choice.layer].clone(), temperatures[choice.level]);
            latents.push(z.clone());
            z
        });
        for (i, z) in latents.into_iter().enumerate() {
            report.floats(&format!("output.gen.z.{i:02}"), &values(z));
        }
        report.floats("output.gen.logits", &values(parameters.clone()));
        self.pictures("gen", &parameters, report);
    }

    /// Posteriors of the channels that are kept, draws from priors for the others.
    pub(crate) fn masked(&self, report: &mut Report<'_>) {
        let (posterior_noise, prior_noise) = (numbered(self.io, "input.eps"), numbered(self.io, "input.gen.eps"));
        let masks = self.io.ints("input.masked.variate_masks");
        let variates = self.io.shape("input.masked.variate_masks")[1];
        let skips = self.network.encoder.forward(self.image(), &mut Probe::off());
        let mut pass = Pass { parameters: self.image(), latents: vec![], layers: vec![] };
        let choose = |choice: Choice<'_>| {
            let posterior = choice.posterior.unwrap();
            let mask: Vec<f32> = masks[choice.layer * variates..][..variates].iter().map(|m| *m as f32).collect();
            let mask = Tensor::<1>::from_floats(mask.as_slice(), &posterior.mean.device());
            let mask: Tensor<4> = mask.reshape([1, variates, 1, 1]);
            let kept = posterior.draw(posterior_noise[choice.layer].clone(), 1.0);
            let drawn = choice.prior.draw(prior_noise[choice.layer].clone(), 1.0);
            let z = kept * mask.clone() + drawn * (-mask + 1.0);
            pass.latents.push(z.clone());
            pass.layers.push([choice.prior.clone(), posterior.clone()]);
            z
        };
        let parameters = self.network.decoder.reconstruct(&skips, choose, &mut Probe::off());
        let pass = Pass { parameters, ..pass };
        for (i, z) in pass.latents.iter().enumerate() {
            report.floats(&format!("output.masked.z.{i:02}"), &values(z.clone()));
        }
        report.floats("output.masked.logits", &values(pass.parameters.clone()));
        self.divergences("masked", &pass, report);
        self.pictures("masked", &pass.parameters, report);
    }

    /// Three plain steps up the gradient of every layer at once.
    pub(crate) fn steps(&self, mut latents: Vec<Tensor<4>>, rate: f32, report: &mut Report<'_>) {
        let probe = || tensor::<4>(self.io, "probe.image");
        let mut found = Vec::new();
        let mut image = Vec::new();
        for _ in 0..self.io.shape("output.steps.value")[0] {
            let leaves: Vec<Tensor<4>> = latents.iter().map(|z| z.clone().autodiff().require_grad()).collect();
            let likely = self.network.output.most_likely(self.network.decoder.decode(leaves.clone()));
            image = values(likely.clone());
            let score = (likely * Tensor::from_inner(probe())).sum();
            found.extend(values(score.clone()));
            let gradients = score.backward();
            let step = |(z, leaf): (&Tensor<4>, &Tensor<4>)| z.clone() + leaf.grad(&gradients).unwrap() * rate;
            latents = latents.iter().zip(&leaves).map(step).collect();
        }
        report.floats("output.steps.value", &found);
        report.floats("output.steps.image_ml", &image);
    }
}

//! The mixture of discretised logistics: components of means, scales and coefficients, colour after colour.

use burn::tensor::activation::{log_softmax, sigmoid, softplus};
use burn::tensor::{Int, Tensor};
use fmr_nn::bridge::beside;

use crate::config::{Base, VdvaeConfig};
use crate::gaussian;
use crate::pixels::Colours;

/// Place of a parameter among those of a colour.
#[derive(Debug, Clone, Copy)]
enum Part {
    Mean = 0,
    Scale = 1,
    Coefficient = 2,
}

/// A mixture of logistics for each pixel.
#[derive(Debug, Clone)]
pub struct Mixture {
    components: usize,
    base: Base,
    beta: f32,
    /// Least value of the raw scale; with a softplus, of its logarithm.
    least: f32,
    colours: Colours,
}

impl Mixture {
    pub(crate) fn new(config: &VdvaeConfig) -> Self {
        Self {
            components: config.num_output_mixtures,
            base: config.output_distribution_base,
            beta: config.output_gradient_smoothing_beta,
            least: config.min_mol_logscale as f32,
            colours: Colours::of_bits(config.num_bits),
        }
    }

    /// Logits of the components.
    fn logits(&self, parameters: &Tensor<4>) -> Tensor<4> {
        parameters.clone().narrow(1, 0, self.components)
    }

    /// A parameter of each component, for one colour.
    fn part(&self, parameters: &Tensor<4>, colour: usize, part: Part) -> Tensor<4> {
        let m = self.components;
        parameters.clone().narrow(1, m + (3 * colour + part as usize) * m, m)
    }

    fn coefficients(&self, parameters: &Tensor<4>, colour: usize) -> Tensor<4> {
        self.part(parameters, colour, Part::Coefficient).tanh()
    }

    fn scale(&self, raw: Tensor<4>) -> Tensor<4> {
        match self.base {
            Base::Std => gaussian::softplus(raw, self.beta).clamp_min(self.least.exp()),
            Base::Logstd => (raw.clamp_min(self.least) * self.beta).exp(),
        }
    }

    /// Index of the likeliest component of each pixel, `[n, 1, h, w]`.
    pub fn components(&self, parameters: &Tensor<4>) -> Tensor<4, Int> {
        self.logits(parameters).without_autodiff().argmax(1)
    }

    /// Index of the component that noise chooses.
    pub fn drawn_components(&self, parameters: &Tensor<4>, noise: Tensor<4>, temperature: f32) -> Tensor<4, Int> {
        let gumbel = -(-noise.log()).log();
        (self.logits(parameters).without_autodiff() / temperature + gumbel).argmax(1)
    }

    /// 1 for the chosen component and 0 for others, constants beside `parameters`.
    fn one_hot(&self, chosen: Tensor<4, Int>, parameters: &Tensor<4>) -> Tensor<4> {
        let all = Tensor::<1, Int>::arange(0..self.components as i64, &chosen.device());
        let all: Tensor<4, Int> = all.reshape([1, self.components, 1, 1]);
        let [n, _, h, w] = chosen.dims();
        let shape = [n, self.components, h, w];
        beside(chosen.expand(shape).equal(all.expand(shape)).float(), parameters)
    }

    /// Colours one after the other: each is shifted by those before, and kept within the range.
    fn colours(&self, own: impl Fn(usize) -> Tensor<4>, coefficient: impl Fn(usize) -> Tensor<4>) -> Tensor<4> {
        let within = |x: Tensor<4>| x.clamp(self.colours.lowest, self.colours.highest);
        let red = within(own(0));
        let green = within(own(1) + coefficient(0) * red.clone());
        let blue = within(own(2) + coefficient(1) * red.clone() + coefficient(2) * green.clone());
        Tensor::cat(vec![red, green, blue], 1)
    }

    /// Means of components, weighted.
    fn weighted(&self, parameters: &Tensor<4>, weights: &Tensor<4>) -> Tensor<4> {
        let sum = |values: Tensor<4>| (values * weights.clone()).sum_dim(1);
        self.colours(|c| sum(self.part(parameters, c, Part::Mean)), |c| sum(self.coefficients(parameters, c)))
    }

    pub(crate) fn most_likely(&self, parameters: Tensor<4>) -> Tensor<4> {
        let weights = self.one_hot(self.components(&parameters), &parameters);
        self.weighted(&parameters, &weights)
    }

    pub(crate) fn soft(&self, parameters: Tensor<4>) -> Tensor<4> {
        // Written out: burn's own softmax rounds otherwise with a tape than without, and a decode has one image.
        let logits = self.logits(&parameters);
        let powers = (logits.clone() - logits.detach().max_dim(1)).exp();
        let weights = powers.clone() / powers.sum_dim(1);
        self.weighted(&parameters, &weights)
    }

    pub(crate) fn draw(
        &self,
        parameters: Tensor<4>,
        component: Tensor<4>,
        place: Tensor<4>,
        temperature: f32,
    ) -> Tensor<4> {
        let weights = self.one_hot(self.drawn_components(&parameters, component, temperature), &parameters);
        let logistic = place.clone().log() - (-place + 1.0).log();
        let sum = |values: Tensor<4>| (values * weights.clone()).sum_dim(1);
        let own = |c: usize| {
            let scale = sum(self.scale(self.part(&parameters, c, Part::Scale)));
            sum(self.part(&parameters, c, Part::Mean)) + scale * temperature * logistic.clone().narrow(1, c, 1)
        };
        self.colours(own, |c| sum(self.coefficients(&parameters, c)))
    }

    pub(crate) fn negative_log_likelihood(&self, parameters: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
        let colour = |c: usize| images.clone().narrow(1, c, 1);
        let mean = |c: usize| self.part(&parameters, c, Part::Mean);
        let coefficient = |c: usize| self.coefficients(&parameters, c);
        let means = [
            mean(0),
            mean(1) + coefficient(0) * colour(0),
            mean(2) + coefficient(1) * colour(0) + coefficient(2) * colour(1),
        ];
        let logits = log_softmax(self.logits(&parameters), 1);
        let joint = means.into_iter().enumerate().fold(logits, |sum, (c, mean)| {
            let raw = self.part(&parameters, c, Part::Scale);
            sum + self.log_likelihood(colour(c), mean, raw)
        });
        // ln Σ e^x, by the largest.
        let largest = joint.clone().detach().max_dim(1);
        let by_pixel = (joint - largest.clone()).exp().sum_dim(1).log() + largest;
        -by_pixel.sum_dim(2).sum_dim(3).reshape([-1])
    }

    /// ln of the probability of one colour's values `[n, 1, h, w]` under each component.
    fn log_likelihood(&self, target: Tensor<4>, mean: Tensor<4>, raw: Tensor<4>) -> Tensor<4> {
        let shape = mean.dims();
        // Of a `logstd` output, upstream leaves β out of this logarithm.
        let (inverse, log_scale) = match self.base {
            Base::Std => {
                let scale = self.scale(raw);
                (scale.clone().recip(), scale.log())
            }
            Base::Logstd => {
                let raw = raw.clamp_min(self.least);
                ((raw.clone() * -self.beta).exp(), raw)
            }
        };
        let distance = target.clone() - mean;
        let half_bin = 1.0 / self.colours.steps;
        let above = inverse.clone() * (distance.clone() + half_bin);
        let below = inverse.clone() * (distance.clone() - half_bin);
        let bin = sigmoid(above.clone()) - sigmoid(below.clone());
        let middle = inverse * distance;
        let density = middle.clone() - log_scale - softplus(middle, 1.0) * 2.0 - (self.colours.steps / 2.0).ln();
        let wide = bin.clone().greater_elem(1e-5);
        let inner = density.mask_where(wide, bin.clamp_min(1e-12).log());
        let target = target.without_autodiff().expand(shape);
        let lift = |mask: Tensor<4, burn::tensor::Bool>| {
            if inner.device().is_autodiff() { Tensor::from_inner(mask) } else { mask }
        };
        let darkest = lift(target.clone().equal_elem(self.colours.lowest));
        let brightest = lift(target.equal_elem(self.colours.highest));
        let inner = inner.clone().mask_where(brightest, -softplus(below, 1.0));
        inner.mask_where(darkest, above.clone() - softplus(above, 1.0))
    }
}

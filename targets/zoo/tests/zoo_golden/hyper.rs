//! Hyper-parameters as a case states them.

use fmr_golden::Case;
use fmr_zoo::{
    Architecture, Block, ConvNeXtConfig, DenseNetConfig, EfficientNetB0Config, EfficientNetConfig, EfficientNetLayout,
    GoogLeNetConfig, InceptionConfig, LeNetConfig, MobileNetConfig, Padding, Pooling, PreActResNetConfig, ResNetConfig,
    ResNetLayout, SimpleDlaConfig, StageConfig, Stem, SwinConfig, TreeConfig, TwinsConfig, TwinsStage, VggConfig,
    VisformerConfig, VitConfig, XcitConfig,
};

/// The architecture of a case of that family.
pub(crate) fn architecture(case: &Case, family: &str) -> Result<Architecture, String> {
    let h = Hyper { case };
    let (_, read) = FAMILIES
        .iter()
        .find(|(start, _)| family.starts_with(start))
        .ok_or_else(|| format!("there is no family {family:?}"))?;
    Ok(read(&h))
}

/// Reads the hyper-parameters of a family.
type Read = fn(&Hyper<'_>) -> Architecture;

/// How families are read, by the start of their names: members have a number behind it.
const FAMILIES: &[(&str, Read)] = &[
    ("lenet", |h| Architecture::LeNet(h.lenet())),
    ("resnet", |h| Architecture::ResNet(h.resnet())),
    ("efficientnet-lite", |h| Architecture::EfficientNetLite(h.efficientnet_lite())),
    ("deit-distilled", |h| Architecture::Vit(h.vit(true))),
    ("deit", |h| Architecture::Vit(h.vit(h.flag("hyper.distilled")))),
    ("vit", |h| Architecture::Vit(h.vit(h.flag("hyper.distilled")))),
    ("convnext", |h| Architecture::ConvNeXt(h.convnext())),
    ("swin", |h| Architecture::Swin(h.swin())),
    ("twins", |h| Architecture::Twins(h.twins())),
    ("xcit", |h| Architecture::Xcit(h.xcit())),
    ("visformer", |h| Architecture::Visformer(h.visformer())),
    ("vgg", |h| Architecture::Vgg(h.vgg())),
    ("preactresnet", |h| Architecture::PreActResNet(h.preact_resnet())),
    ("googlenet", |h| Architecture::GoogLeNet(h.googlenet())),
    ("densenet", |h| Architecture::DenseNet(h.densenet())),
    ("mobilenet", |h| Architecture::MobileNet(h.mobilenet())),
    ("efficientnetb0", |h| Architecture::EfficientNetB0(h.efficientnet_b0())),
    ("simpledla", |h| Architecture::SimpleDla(h.simple_dla())),
];

/// The numbers and words below `hyper`.
struct Hyper<'c> {
    case: &'c Case,
}

impl Hyper<'_> {
    fn number(&self, key: &str) -> f64 {
        self.case.number(key).unwrap_or_else(|| panic!("{} has no {key}", self.case.name()))
    }

    fn size(&self, key: &str) -> usize {
        self.number(key) as usize
    }

    fn sizes(&self, key: &str) -> Vec<usize> {
        self.case.numbers(key).into_iter().map(|n| n as usize).collect()
    }

    fn several<const N: usize>(&self, key: &str) -> [usize; N] {
        let name = self.case.name();
        self.sizes(key).try_into().unwrap_or_else(|v| panic!("{name}: {key} is {v:?}, not {N} numbers"))
    }

    /// One number for squares, two otherwise.
    fn pair(&self, key: &str) -> [usize; 2] {
        self.case.number(key).map_or_else(|| self.several(key), |side| [side as usize; 2])
    }

    fn flag(&self, key: &str) -> bool {
        self.case.value(key).and_then(|v| v.as_bool()).unwrap_or(false)
    }

    fn eps(&self, key: &str, default: f32) -> f32 {
        self.case.number(key).map_or(default, |eps| eps as f32)
    }

    /// `[channels, height, width]` of the images, and the number of logits.
    fn ends(&self) -> ([usize; 3], usize) {
        let sheet = self.case.sheet();
        let shape = match sheet.get("input.x") {
            Some(x) => x.shape.clone(),
            None => self.sizes("formula.input_shape"),
        };
        ([shape[1], shape[2], shape[3]], sheet.shape("output.logits")[1])
    }

    fn lenet(&self) -> LeNetConfig {
        let ([channels, ..], classes) = self.ends();
        let padding = self.case.number("hyper.padding_of_conv1").unwrap_or(0.0) as usize;
        LeNetConfig { channels, padding, pooling: Pooling::Max, classes }
    }

    fn resnet(&self) -> ResNetConfig {
        let says = |key: &str, word: &str| self.case.text(key).is_some_and(|text| text.contains(word));
        let cifar = says("upstream.repository", "pytorch-cifar");
        let bottleneck = says("upstream.classes", "Bottleneck") || says("hyper.block", "Bottleneck");
        let block = if bottleneck { Block::Bottleneck } else { Block::Basic };
        let (_, classes) = self.ends();
        let eps = self.eps("hyper.bn_eps", 1e-5);
        let depths = self.several("hyper.layers");
        if cifar {
            let (stem, layout) = (Stem::Cifar, ResNetLayout::PytorchCifar);
            let (widths, stem_width) = (self.several("hyper.widths"), self.size("hyper.stem"));
            return ResNetConfig { block, depths, widths, stem, channels: 3, stem_width, layout, classes, eps };
        }
        let (stem, layout) = (Stem::ImageNet, ResNetLayout::Torchvision);
        let (widths, stem_width) = (self.several("hyper.stage_planes"), self.size("hyper.stem_channels"));
        ResNetConfig { block, depths, widths, stem, channels: 3, stem_width, layout, classes, eps }
    }

    fn efficientnet_lite(&self) -> EfficientNetConfig {
        let stages = self.case.texts("hyper.blocks");
        let stages = stages.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
        let factor = |key: &str| self.case.number(key).unwrap_or(1.0);
        let symmetric = self.case.text("hyper.padding").is_some_and(|text| text.contains("symmetric"));
        let ([_, height, width], classes) = self.ends();
        EfficientNetConfig {
            stages,
            width: factor("hyper.width_coefficient"),
            depth: factor("hyper.depth_coefficient"),
            fix_head_stem: self.flag("hyper.fix_head_stem"),
            image: [height, width],
            padding: if symmetric { Padding::Symmetric } else { Padding::Same },
            layout: EfficientNetLayout::EfficientnetPytorch,
            classes,
            eps: self.eps("hyper.bn_eps", 1e-3),
        }
    }

    fn vit(&self, distilled: bool) -> VitConfig {
        VitConfig {
            image: self.pair("hyper.img_size"),
            patch: self.size("hyper.patch_size"),
            width: self.size("hyper.embed_dim"),
            depth: self.size("hyper.depth"),
            heads: self.size("hyper.num_heads"),
            mlp_ratio: self.number("hyper.mlp_ratio"),
            distilled,
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.ln_eps", 1e-6),
        }
    }

    fn convnext(&self) -> ConvNeXtConfig {
        ConvNeXtConfig {
            patch: 4,
            widths: self.sizes("hyper.dims"),
            depths: self.sizes("hyper.depths"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.ln_eps", 1e-6),
        }
    }

    fn swin(&self) -> SwinConfig {
        SwinConfig {
            image: self.pair("hyper.img_size"),
            patch: self.size("hyper.patch_size"),
            width: self.size("hyper.embed_dim"),
            depths: self.sizes("hyper.depths"),
            heads: self.sizes("hyper.num_heads"),
            head_dim: Some(self.size("hyper.head_dim")).filter(|head| *head > 0),
            window: self.size("hyper.window_size"),
            mlp_ratio: self.number("hyper.mlp_ratio"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.ln_eps", 1e-5),
        }
    }

    fn twins(&self) -> TwinsConfig {
        let windows = self.sizes("hyper.wss");
        let [widths, depths, heads, ratios, reductions] =
            ["embed_dims", "depths", "num_heads", "mlp_ratios", "sr_ratios"]
                .map(|key| self.sizes(&format!("hyper.{key}")));
        let stage = |i: usize| TwinsStage {
            width: widths[i],
            depth: depths[i],
            heads: heads[i],
            mlp_ratio: ratios[i] as f64,
            reduction: reductions[i],
            window: windows.get(i).copied(),
        };
        assert_eq!(self.number("hyper.patch_and_sr_ln_eps"), 1e-5);
        TwinsConfig {
            patch: self.size("hyper.patch_size"),
            stages: (0..depths.len()).map(stage).collect(),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.block_ln_eps", 1e-6),
        }
    }

    fn xcit(&self) -> XcitConfig {
        let patch = self.size("hyper.patch_size");
        XcitConfig {
            patch: patch.try_into().unwrap_or_else(|e| panic!("{}: {e}", self.case.name())),
            width: self.size("hyper.embed_dim"),
            depth: self.size("hyper.depth"),
            heads: self.size("hyper.num_heads"),
            class_blocks: self.size("hyper.cls_attn_layers"),
            tokens_norm: self.flag("hyper.tokens_norm"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.ln_eps", 1e-6),
        }
    }

    fn visformer(&self) -> VisformerConfig {
        let says = |key: &str, value: &str| assert_eq!(self.case.text(key), Some(value), "{}: {key}", self.case.name());
        says("hyper.attn_stage", "011");
        says("hyper.spatial_conv", "100");
        VisformerConfig {
            image: self.pair("hyper.img_size"),
            stem: self.size("hyper.init_channels"),
            width: self.size("hyper.embed_dim"),
            depths: self.several("hyper.depth"),
            heads: self.size("hyper.num_heads"),
            mlp_ratio: self.number("hyper.mlp_ratio"),
            groups: self.size("hyper.group"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn vgg(&self) -> VggConfig {
        let layers = self.case.texts("hyper.cfg");
        let stages = layers.split(|layer| layer == "M").filter(|stage| !stage.is_empty());
        let stages = stages.map(|stage| stage.iter().map(|width| width.parse().unwrap()).collect());
        VggConfig {
            stages: stages.collect(),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn preact_resnet(&self) -> PreActResNetConfig {
        let bottleneck = self.case.text("hyper.block").is_some_and(|block| block.contains("Bottleneck"));
        PreActResNetConfig {
            block: if bottleneck { Block::Bottleneck } else { Block::Basic },
            stem_width: self.size("hyper.stem"),
            widths: self.several("hyper.widths"),
            depths: self.several("hyper.layers"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    /// Cells are written like `b3: 256 -> 128 | 128 192 | 32 96 96 | 64`.
    fn googlenet(&self) -> GoogLeNetConfig {
        let (mut stages, mut stem): (Vec<(char, Vec<InceptionConfig>)>, _) = (Vec::new(), None);
        for cell in self.case.texts("hyper.inception") {
            let (name, rest) = cell.split_once(':').unwrap();
            let (input, branches) = rest.split_once("->").unwrap();
            stem = stem.or(input.trim().parse().ok());
            let branch = |text: &str| text.split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<usize>>();
            let branches: Vec<Vec<usize>> = branches.split('|').map(branch).collect();
            let [one, three, five, pool] = &branches[..] else { panic!("{cell}") };
            assert_eq!(five[1], five[2], "{cell}");
            let sizes =
                InceptionConfig { one: one[0], three: [three[0], three[1]], five: [five[0], five[1]], pool: pool[0] };
            let level = name.chars().last().unwrap();
            match stages.last_mut() {
                Some((last, cells)) if *last == level => cells.push(sizes),
                _ => stages.push((level, vec![sizes])),
            }
        }
        GoogLeNetConfig {
            stem: stem.unwrap(),
            stages: stages.into_iter().map(|(_, cells)| cells).collect(),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn densenet(&self) -> DenseNetConfig {
        DenseNetConfig {
            depths: self.sizes("hyper.nblocks"),
            growth: self.size("hyper.growth_rate"),
            reduction: self.number("hyper.reduction"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn mobilenet(&self) -> MobileNetConfig {
        let blocks = self.sizes("hyper.widths").into_iter().zip(self.sizes("hyper.strides"));
        MobileNetConfig {
            stem: self.size("hyper.stem"),
            blocks: blocks.map(|(width, stride)| [width, stride]).collect(),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn efficientnet_b0(&self) -> EfficientNetB0Config {
        let [repeats, expansion, output, kernel, stride] =
            ["num_blocks", "expansion", "out_channels", "kernel_size", "stride"]
                .map(|key| self.sizes(&format!("hyper.{key}")));
        let mut input = self.size("hyper.stem");
        let stage = |i: usize| StageConfig {
            repeats: repeats[i],
            kernel: kernel[i],
            stride: stride[i],
            expansion: expansion[i],
            input: std::mem::replace(&mut input, output[i]),
            output: output[i],
        };
        EfficientNetB0Config {
            stages: (0..repeats.len()).map(stage).collect(),
            se_ratio: self.number("hyper.se_ratio"),
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }

    fn simple_dla(&self) -> SimpleDlaConfig {
        let mut stem = self.sizes("hyper.widths");
        let (levels, strides) = (self.sizes("hyper.levels"), self.sizes("hyper.strides"));
        let widths = stem.split_off(stem.len() - levels.len());
        let tree = |i: usize| TreeConfig { width: widths[i], levels: levels[i], stride: strides[i] };
        SimpleDlaConfig {
            trees: (0..levels.len()).map(tree).collect(),
            stem,
            classes: self.size("hyper.num_classes"),
            eps: self.eps("hyper.bn_eps", 1e-5),
        }
    }
}

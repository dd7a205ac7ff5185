//! CLIP as a zero-shot classifier under test.

use std::path::PathBuf;

use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe};
use fmr_core::{ComponentError, ImagePullBack, Oracle, SettingError, Target, TargetSpec, imagenet_classes};
use fmr_nn::bridge::{Traced, to_array, to_tensor};
use fmr_nn::component::guarded;
use fmr_nn::functional::Pointwise;
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::oracle::{ClipOracle, ClipSettings};

/// A target of kind `clip`: its logits are the similarities of an image and the prompts of the classes, times CLIP's own scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClipTargetSettings {
    /// Names of the classes, in the order of the logits; `"imagenet"` stands for those of ImageNet.
    pub classes: ClassNames,
    /// Prompts in which `{class}` stands for a class name; several are averaged. The paper's unless given.
    #[serde(default = "paper")]
    pub templates: Vec<String>,
    /// As the oracle's; see [`ClipSettings`].
    pub weights: PathBuf,
    /// As the oracle's.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// As the oracle's.
    #[serde(default)]
    pub model: Option<String>,
    /// As the oracle's.
    #[serde(default)]
    pub activation: Option<Pointwise>,
    /// As the oracle's.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// As the oracle's.
    #[serde(default)]
    pub prefix: Option<String>,
    /// As the oracle's.
    #[serde(default)]
    pub ema: Option<bool>,
    /// As the oracle's.
    #[serde(default)]
    pub device: Option<String>,
}

/// Names of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "it is \"imagenet\" or a list of names")]
pub enum ClassNames {
    /// A known list.
    Known(Known),
    /// These.
    Own(Vec<String>),
}

/// Lists of classes that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// ImageNet's 1000.
    Imagenet,
}

impl ClassNames {
    /// The name of each class for prompts, with further identifiers behind it.
    fn all(&self) -> Vec<Vec<String>> {
        match self {
            Self::Known(Known::Imagenet) => {
                imagenet_classes().map(|(id, name)| vec![name.to_owned(), id.to_owned()]).collect()
            }
            Self::Own(names) => names.iter().map(|name| vec![name.clone()]).collect(),
        }
    }
}

fn paper() -> Vec<String> {
    vec!["an image of {class}".to_owned()]
}

impl ClipTargetSettings {
    /// What is the same where the model is an oracle.
    fn oracle(&self) -> ClipSettings {
        let Self { weights, config, model, activation, weights_key, prefix, ema, device, classes: _, templates: _ } =
            self.clone();
        ClipSettings { weights, config, model, activation, weights_key, prefix, ema, device }
    }
}

impl Recipe<dyn Target> for ClipTargetSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        if self.classes.all().len() < 2 {
            return Err(SettingError::new("classes", "must name two classes at least").into());
        }
        Recipe::<dyn Oracle>::check(&self.oracle(), context)
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Target>, MakeError> {
        let model = ClipOracle::from_settings(&self.oracle(), context)?;
        Ok(Box::new(ClipTarget::new(model, self.classes.all(), &self.templates)?))
    }
}

/// A CLIP model whose classes are set, as a target.
#[derive(Debug)]
pub struct ClipTarget {
    model: ClipOracle,
    classes: Vec<Vec<String>>,
    spec: TargetSpec,
}

impl ClipTarget {
    /// A model that is told these classes: for each the name for its prompts first, then further identifiers.
    ///
    /// # Errors
    /// Templates or names that make no prompts.
    pub fn new(mut model: ClipOracle, classes: Vec<Vec<String>>, templates: &[String]) -> Result<Self, ComponentError> {
        let names: Vec<String> = classes.iter().filter_map(|names| names.first().cloned()).collect();
        model.set_classes(&names, templates)?;
        let spec = TargetSpec { name: model.name().to_owned(), classes: classes.len(), differentiable: true };
        Ok(Self { model, classes, spec })
    }

    fn component(&self) -> String {
        format!("target {:?}", self.spec.name)
    }
}

impl Target for ClipTarget {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let (n, c, h, w) = images.dim();
            let pipeline = self.model.preparation.pipeline(&component, [c, h, w])?;
            let x = to_tensor(pipeline.forward(images).view(), &self.model.device);
            Ok(to_array(self.model.similarities(x)?, (n, self.spec.classes)))
        })
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if pictures.is_empty() {
            return Ok(Some(Array2::zeros((0, self.spec.classes))));
        }
        let component = self.component();
        guarded(&component, "logits", || {
            let prepared = self.model.preparation.pictures(&component, pictures)?;
            let logits = self.model.similarities(to_tensor(prepared.view(), &self.model.device))?;
            Ok(Some(to_array(logits, (pictures.len(), self.spec.classes))))
        })
    }

    fn preprocessing(&self) -> Option<String> {
        self.model.preprocessing()
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        Some(self.classes.clone())
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let (n, c, h, w) = images.dim();
            let pipeline = self.model.preparation.pipeline(&component, [c, h, w])?;
            let x = to_tensor(pipeline.forward(images).view(), &self.model.device);
            let traced = Traced::try_new(x, |x| self.model.similarities(x))?;
            let logits = to_array(traced.output(), (n, self.spec.classes));
            let pull_back: ImagePullBack<'a> = Box::new(move |gradient: ArrayView2<'_, f32>| {
                guarded(&self.component(), "pull back", || {
                    let dx = traced.pull_back(to_tensor(gradient, &self.model.device));
                    let [c, h, w] = pipeline.output();
                    let dx: Array4<f32> = to_array(dx, (n, c, h, w));
                    Ok(pipeline.pull_back(dx.view()))
                })
            });
            Ok((logits, pull_back))
        })
    }
}

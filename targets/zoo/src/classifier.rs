//! A zoo network as a target.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_core::preprocess::Filter;
use fmr_core::registry::{MakeError, Registry, Site};
use fmr_core::{ComponentError, ImagePullBack, SettingError, Target, TargetSpec};
use fmr_nn::bridge::{Traced, to_array, to_tensor};
use fmr_nn::component::{Preparation, Wanted, guarded};
use fmr_nn::weights::{self, Builder};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::registry::{Entry, entries, entry};

/// A target of kind `zoo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierSettings {
    /// Registered model, e.g. `resnet50`.
    pub model: String,
    /// Checkpoint as its authors publish it.
    pub weights: PathBuf,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

/// Registers the targets of kind `zoo`.
pub fn register(registry: &mut Registry) {
    registry.add_target("zoo", |settings, site| {
        let settings: ClassifierSettings = settings.parse()?;
        Ok(Box::new(Classifier::from_settings(&settings, site)?))
    });
}

/// A classifier of the zoo with its weights.
#[derive(Debug)]
pub struct Classifier {
    spec: TargetSpec,
    network: Network,
    preparation: Preparation,
    device: Device,
}

impl Classifier {
    /// Loads a model and its weights for a run.
    ///
    /// # Errors
    /// An unknown model or device, or weights that cannot be read or are another model's.
    pub fn from_settings(settings: &ClassifierSettings, site: &Site) -> Result<Self, MakeError> {
        let component = format!("target {:?}", settings.model);
        let error = |asked: &str, problem: String| ComponentError::new(&component, asked, problem);
        let entry = entry(&settings.model).ok_or_else(|| {
            let names: Vec<&str> = entries().iter().map(|e| e.name).collect();
            SettingError::new(
                "model",
                format!("no model {:?} is registered; there are {}", settings.model, names.join(", ")),
            )
        })?;
        let device = settings.device.as_ref().unwrap_or(&site.device);
        let device = fmr_nn::device::device(device).map_err(|e| SettingError::new("device", e.to_string()))?;
        let path = site.path(&settings.weights);
        let file = weights::read(&path).map_err(|e| error("load weights", e.to_string()))?;
        let mut b = Builder::stored(file.tensors, &device);
        let network = Network::new(&mut b, &entry.architecture);
        b.finish(|key| key.ends_with("num_batches_tracked")).map_err(|e| {
            error("load weights", describe(&path, file.looks_like.as_deref(), entry.name, &e.to_string()))
        })?;
        Ok(Self::new(entry, network.folded(), device))
    }

    /// A model with seeded random weights, for measurements of speed and memory.
    pub fn random(entry: &'static Entry, seed: u64, device: Device) -> Self {
        let mut b = Builder::random_frozen(seed, &device);
        let network = Network::new(&mut b, &entry.architecture).folded();
        Self::new(entry, network, device)
    }

    fn new(entry: &'static Entry, network: Network, device: Device) -> Self {
        let channels = entry.input[0];
        let wanted = Wanted {
            input: entry.input,
            mean: entry.mean[..channels].to_vec(),
            std: entry.std[..channels].to_vec(),
            filter: Filter::Bilinear,
        };
        let classes = entry.architecture.classes();
        Self {
            spec: TargetSpec { name: entry.name.to_owned(), classes, differentiable: true },
            network,
            preparation: Preparation::new(wanted),
            device,
        }
    }

    fn component(&self) -> String {
        format!("target {:?}", self.spec.name)
    }
}

/// A misfit of weights in a sentence.
fn describe(path: &Path, looks_like: Option<&str>, wanted: &str, keys: &str) -> String {
    match looks_like {
        Some(found) => format!("{} looks like {found}, but {wanted} is asked for; {keys}", path.display()),
        None => format!("{}: {keys}", path.display()),
    }
}

fn shape(images: &ArrayView4<'_, f32>) -> [usize; 3] {
    let (_, c, h, w) = images.dim();
    [c, h, w]
}

impl Target for Classifier {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let pipeline = self.preparation.pipeline(&component, shape(&images))?;
            let x = to_tensor(pipeline.forward(images).view(), &self.device);
            Ok(to_array(self.network.forward(x), (images.dim().0, self.spec.classes)))
        })
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let pipeline = self.preparation.pipeline(&component, shape(&images))?;
            let x = to_tensor(pipeline.forward(images).view(), &self.device);
            let traced = Traced::new(x, |x| self.network.forward(x));
            let n = images.dim().0;
            let logits = to_array(traced.output(), (n, self.spec.classes));
            let pull_back: ImagePullBack<'a> = Box::new(move |gradient: ArrayView2<'_, f32>| {
                guarded(&self.component(), "pull back", || {
                    let dx = traced.pull_back(to_tensor(gradient, &self.device));
                    let [c, h, w] = pipeline.output();
                    let dx: Array4<f32> = to_array(dx, (n, c, h, w));
                    Ok(pipeline.pull_back(dx.view()))
                })
            });
            Ok((logits, pull_back))
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use fmr_core::registry::Settings;

    fn make(text: &str) -> Result<Box<dyn Target>, MakeError> {
        let mut registry = Registry::default();
        register(&mut registry);
        let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let site = Site { base, device: "cpu".into(), seed: 0, image: [3, 32, 32] };
        registry.target("zoo", &Settings(serde_json::from_str(text).unwrap()), &site)
    }

    #[test]
    fn is_made_from_settings() {
        let weights = "assets/weights/resnet18-w16.safetensors";
        let target = make(&format!(r#"{{"model": "cifar-resnet18-w16", "weights": "{weights}"}}"#)).unwrap();
        assert_eq!(target.spec().classes, 10);
    }

    #[test]
    fn errors_say_what_to_change() {
        let error = |text: &str| make(text).err().unwrap().to_string();
        let unknown = error(r#"{"model": "resnet19", "weights": "w"}"#);
        assert!(unknown.starts_with("model: no model \"resnet19\" is registered; there are lenet,"), "{unknown}");
        let absent = error(r#"{"model": "resnet18", "weights": "absent.pth"}"#);
        assert!(absent.contains("absent.pth"), "{absent}");
        let other = error(r#"{"model": "resnet18", "weights": "assets/weights/resnet18-w16.safetensors"}"#);
        assert!(other.contains("looks like a CIFAR ResNet-18, 10 classes, but resnet18 is asked for"), "{other}");
        let device = error(r#"{"model": "lenet", "weights": "w", "device": "abacus"}"#);
        assert!(device.starts_with("device: "), "{device}");
    }
}

//! The target `my-component`: logits from the mean brightness of each channel, to be replaced by a model.

use fmr_core::preprocess::Picture;
use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, ImagePullBack, SettingError, Target, TargetSpec};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};

/// The settings of an experiment file's table.
#[derive(Debug, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Number of classes.
    classes: usize,
    /// Factor of the logits.
    sharpness: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { classes: 10, sharpness: 4.0 }
    }
}

/// A linear model of channel means.
struct Model {
    spec: TargetSpec,
    /// `[channels, classes]`.
    weights: Array2<f32>,
}

impl Model {
    /// Makes the model; this is where weights would be read, from `context.path(&settings.weights)`, and
    /// noted by `context.note_file`.
    fn new(settings: Settings, context: &MakeContext<'_>) -> Result<Self, SettingError> {
        if settings.classes < 2 {
            return Err(SettingError::new("classes", format!("is {}, must be at least 2", settings.classes)));
        }
        let spec = TargetSpec { name: "my-component".into(), classes: settings.classes, differentiable: true };
        let weight = |(c, k): (usize, usize)| settings.sharpness * ((c * settings.classes + k) as f32).sin();
        Ok(Self { spec, weights: Array2::from_shape_fn((context.image[0], settings.classes), weight) })
    }

    /// Logits of channel means `[n, channels]`.
    fn of_means(&self, means: &Array2<f32>) -> Array2<f32> {
        // Row by row, so that a sample's logits are the same in every batch.
        Array2::from_shape_fn((means.nrows(), self.spec.classes), |(i, k)| {
            (0..means.ncols()).map(|c| means[[i, c]] * self.weights[[c, k]]).sum()
        })
    }

    fn check(&self, images: &ArrayView4<'_, f32>) -> Result<(), ComponentError> {
        let (channels, wanted) = (images.dim().1, self.weights.nrows());
        if channels == wanted {
            return Ok(());
        }
        let problem = format!("images have {channels} channels, it was made for {wanted}");
        Err(ComponentError::new("target \"my-component\"", "logits", problem))
    }
}

impl Target for Model {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        self.check(&images)?;
        let (_, _, h, w) = images.dim();
        Ok(self.of_means(&(images.sum_axis(Axis(3)).sum_axis(Axis(2)) / (h * w) as f32)))
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        let mean = |(i, channel): (usize, usize)| {
            // A model's own 8-bit path, such as resize and crop, would begin here.
            let [c, h, w] = pictures[i].shape;
            // A grey picture has the same value in every channel.
            let plane = pictures[i].values().skip(channel.min(c - 1) * h * w).take(h * w);
            plane.sum::<f32>() / (h * w) as f32
        };
        Ok(Some(self.of_means(&Array2::from_shape_fn((pictures.len(), self.weights.nrows()), mean))))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let logits = self.logits(images)?;
        let (n, c, h, w) = images.dim();
        // From d score / d logits to d score / d images, by the chain rule.
        let pull = move |cotangent: ArrayView2<'_, f32>| {
            let means = cotangent.dot(&self.weights.t()) / (h * w) as f32;
            Ok(Array4::from_shape_fn((n, c, h, w), |(i, c, _, _)| means[[i, c]]))
        };
        Ok((logits, Box::new(pull)))
    }
}

fmr_plugins::export! {
    target "my-component": Settings => Model::new,
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_the_contract() {
        let library = fmr_plugins::linked!().expect("the plugin's own table is sound");
        let report = fmr_plugins::check::library(&library, &fmr_plugins::check::Options::default());
        println!("{report}");
        assert!(report.passed(), "{report}");
    }
}

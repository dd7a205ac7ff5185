//! The generator `my-component`: latents are the pixels themselves, to be replaced by a model.

use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, LatentPullBack, SettingError};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

/// The settings of an experiment file's table.
#[derive(Debug, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Latents are pixels times this.
    scale: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scale: 2.0 }
    }
}

/// Scaled pixels.
struct Model {
    spec: GeneratorSpec,
    scale: f32,
}

impl Model {
    /// Makes the model; this is where weights would be read, from `context.path(&settings.weights)`, and
    /// noted by `context.note_file`.
    fn new(settings: Settings, context: &MakeContext<'_>) -> Result<Self, SettingError> {
        if settings.scale <= 0.0 {
            return Err(SettingError::new("scale", format!("is {}, must be above 0", settings.scale)));
        }
        let latent = vec![LatentBlock { name: "pixels".into(), shape: context.image.to_vec(), offset: 0 }];
        let spec = GeneratorSpec { name: "my-component".into(), image: context.image, latent };
        Ok(Self { spec, scale: settings.scale })
    }

    /// Rows `[n, d]` of images `[n, c, h, w]`.
    fn rows(&self, images: ArrayView4<'_, f32>) -> Array2<f32> {
        let [_, h, w] = self.spec.image;
        Array2::from_shape_fn((images.dim().0, self.spec.latent_len()), |(i, p)| {
            images[[i, p / (h * w), p / w % h, p % w]]
        })
    }
}

impl Generator for Model {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        Ok(self.rows(images) * self.scale)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let [c, h, w] = self.spec.image;
        Ok(Array4::from_shape_fn((latents.nrows(), c, h, w), |(i, c, y, x)| {
            latents[[i, (c * h + y) * w + x]] / self.scale
        }))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        // From d score / d images to d score / d latents, by the chain rule.
        let pull = |cotangent: ArrayView4<'_, f32>| Ok(self.rows(cotangent) / self.scale);
        Ok((self.decode(latents, labels)?, Box::new(pull)))
    }
}

fmr_plugins::export! {
    generator "my-component": Settings => Model::new,
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

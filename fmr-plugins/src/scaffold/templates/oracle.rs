//! The oracle `my-component`: classes are levels of brightness, to be replaced by a model.

use fmr_core::preprocess::Picture;
use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, Oracle, SettingError};
use ndarray::{Array2, ArrayView4, Axis};

/// The settings of an experiment file's table.
#[derive(Debug, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// How sure it is.
    sharpness: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sharpness: 10.0 }
    }
}

/// The first class is black, the last is white.
struct Model {
    settings: Settings,
    classes: usize,
}

impl Model {
    /// Makes the model; this is where weights would be read, from `context.path(&settings.weights)`, and
    /// noted by `context.note_file`.
    fn new(settings: Settings, _: &MakeContext<'_>) -> Result<Self, SettingError> {
        if settings.sharpness <= 0.0 {
            return Err(SettingError::new("sharpness", format!("is {}, must be above 0", settings.sharpness)));
        }
        Ok(Self { settings, classes: 0 })
    }
}

impl Oracle for Model {
    fn name(&self) -> &str {
        "my-component"
    }

    /// A model with a text tower would embed each name in each template here.
    fn set_classes(&mut self, names: &[String], _: &[String]) -> Result<(), ComponentError> {
        self.classes = names.len();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let brightness: Vec<f32> = images.axis_iter(Axis(0)).map(|image| image.mean().unwrap_or(0.0)).collect();
        Ok(self.rows(&brightness))
    }

    /// Originals, as bytes in the size of their files: a model's own 8-bit path, such as resize and crop, would begin here.
    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        let mean = |picture: &Picture| picture.values().sum::<f32>() / picture.bytes.len() as f32;
        Ok(Some(self.rows(&pictures.iter().map(mean).collect::<Vec<_>>())))
    }
}

impl Model {
    /// Probabilities `[n, classes]`.
    fn rows(&self, brightness: &[f32]) -> Array2<f32> {
        let mut rows = Array2::zeros((brightness.len(), self.classes));
        for (brightness, mut row) in brightness.iter().zip(rows.rows_mut()) {
            for (k, p) in row.iter_mut().enumerate() {
                let level = k as f32 / (self.classes.max(2) - 1) as f32;
                *p = (-self.settings.sharpness * (brightness - level).powi(2)).exp();
            }
            let sum = row.sum();
            row /= sum;
        }
        rows
    }
}

fmr_plugins::export! {
    oracle "my-component": Settings => Model::new,
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

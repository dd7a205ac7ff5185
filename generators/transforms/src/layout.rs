//! Settings, and where each parameter lies in a latent row.

use fmr_core::{LatentBlock, SettingError};
use serde::{Deserialize, Serialize};

/// A generator of kind `transforms`: how strong each transformation is at a latent value of 1; 0 leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TransformsSettings {
    /// Degrees, anticlockwise.
    pub rotation: f64,
    /// Natural logarithm of the magnification.
    pub scale: f64,
    /// Columns that a row moves for each row further down.
    pub shear: f64,
    /// Share of the blurred image in a mixture with the sharp one; negative latents sharpen.
    pub blur: f64,
    /// Standard deviation of the blur, in pixels.
    pub blur_sigma: f64,
    /// Relative gain of each channel.
    pub colour: f64,
    /// Relative gain of the differences from the image's mean.
    pub contrast: f64,
    /// Amplitude of the noise.
    pub noise: f64,
    /// Seed of the noise; the run's unless set.
    pub seed: Option<u64>,
}

impl Default for TransformsSettings {
    fn default() -> Self {
        Self {
            rotation: 30.0,
            scale: 0.3,
            shear: 0.3,
            blur: 1.0,
            blur_sigma: 1.5,
            colour: 0.5,
            contrast: 0.5,
            noise: 0.1,
            seed: None,
        }
    }
}

/// The transformations in the order of the latent row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transformation {
    Rotation,
    Scale,
    Shear,
    Blur,
    Colour,
    Contrast,
    Noise,
}

use Transformation::{Blur, Colour, Contrast, Noise, Rotation, Scale, Shear};

const ALL: [Transformation; 7] = [Rotation, Scale, Shear, Blur, Colour, Contrast, Noise];

impl Transformation {
    fn name(self) -> &'static str {
        match self {
            Rotation => "rotation",
            Scale => "scale",
            Shear => "shear",
            Blur => "blur",
            Colour => "colour",
            Contrast => "contrast",
            Noise => "noise",
        }
    }
}

/// What a composition is made with; all zero is the identity.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Parameters {
    /// Radians.
    pub(crate) rotation: f64,
    pub(crate) scale: f64,
    pub(crate) shear: f64,
    pub(crate) blur: f64,
    /// One a channel.
    pub(crate) colour: Vec<f64>,
    pub(crate) contrast: f64,
    pub(crate) noise: f64,
}

impl Parameters {
    pub(crate) fn zeros(channels: usize) -> Self {
        Self { colour: vec![0.0; channels], ..Self::default() }
    }

    fn slots(&mut self, transformation: Transformation) -> &mut [f64] {
        match transformation {
            Rotation => std::slice::from_mut(&mut self.rotation),
            Scale => std::slice::from_mut(&mut self.scale),
            Shear => std::slice::from_mut(&mut self.shear),
            Blur => std::slice::from_mut(&mut self.blur),
            Colour => &mut self.colour,
            Contrast => std::slice::from_mut(&mut self.contrast),
            Noise => std::slice::from_mut(&mut self.noise),
        }
    }
}

/// Parameters first, then the image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    /// Each with its strength.
    active: Vec<(Transformation, f64)>,
    image: [usize; 3],
}

impl Layout {
    /// # Errors
    /// A strength that is no number or negative, or nothing that could change.
    pub(crate) fn new(s: &TransformsSettings, image: [usize; 3]) -> Result<Self, SettingError> {
        let strength = |transformation| match transformation {
            Rotation => s.rotation,
            Scale => s.scale,
            Shear => s.shear,
            Blur => s.blur,
            Colour => s.colour,
            Contrast => s.contrast,
            Noise => s.noise,
        };
        for transformation in ALL {
            let value = strength(transformation);
            if !(value.is_finite() && value >= 0.0) {
                return Err(SettingError::new(transformation.name(), format!("is {value}, must be 0 or more")));
            }
        }
        // Wider blurs than the image would only be slow.
        let widest = image[1].max(image[2]) as f64;
        if !(s.blur_sigma > 0.0 && s.blur_sigma <= widest) {
            let problem = format!("is {}, must be above 0 and at most {widest}", s.blur_sigma);
            return Err(SettingError::new("blur-sigma", problem));
        }
        // Degrees for people, radians inside.
        let inside = |t| if t == Rotation { strength(t).to_radians() } else { strength(t) };
        let active: Vec<_> = ALL.into_iter().filter(|t| strength(*t) > 0.0).map(|t| (t, inside(t))).collect();
        if active.is_empty() {
            return Err(SettingError::new("rotation", "is 0 like all other strengths: nothing could ever change"));
        }
        Ok(Self { active, image })
    }

    fn len(&self, transformation: Transformation) -> usize {
        if transformation == Colour { self.image[0] } else { 1 }
    }

    /// Number of parameters, which is the offset of the image.
    pub(crate) fn parameters(&self) -> usize {
        self.active.iter().map(|(t, _)| self.len(*t)).sum()
    }

    /// Number of values of a row.
    pub(crate) fn row(&self) -> usize {
        self.parameters() + self.image.iter().product::<usize>()
    }

    /// The blocks of a row.
    pub(crate) fn blocks(&self) -> Vec<LatentBlock> {
        let parameters = self.active.iter().map(|(t, _)| (t.name().to_owned(), vec![self.len(*t)]));
        LatentBlock::in_order(parameters.chain([("image".to_owned(), self.image.to_vec())]))
    }

    /// The parameters that a row stands for.
    pub(crate) fn read(&self, row: &[f32]) -> Parameters {
        let mut parameters = Parameters::zeros(self.image[0]);
        let mut values = row.iter();
        for (transformation, strength) in &self.active {
            for (slot, value) in parameters.slots(*transformation).iter_mut().zip(&mut values) {
                *slot = strength * f64::from(*value);
            }
        }
        parameters
    }

    /// The gradient in a row, given that in the parameters; zero for the image.
    pub(crate) fn write(&self, mut gradient: Parameters, row: &mut [f32]) {
        row.fill(0.0);
        let mut at = 0;
        for (transformation, strength) in &self.active {
            for slope in gradient.slots(*transformation) {
                row[at] = (*slope * strength) as f32;
                at += 1;
            }
        }
    }
}

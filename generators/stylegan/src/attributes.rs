//! Sizes of a generator from the attributes of its modules, as upstream's pickles hold them.
//!
//! What the modules were built with (`_init_kwargs`) is passed over: of a generator with super-resolution stages it is that
//! of the first stage.

use std::collections::HashMap;

use fmr_checkpoint::{Checkpoint, Scalar, shown};

use crate::config::{Embedding, InputConfig, LayerConfig, StyleganConfig};

/// Most layers of a synthesis network.
const LAYERS: usize = 250;

/// The attributes below one key of a file.
struct Attributes<'c> {
    /// Whether a layer follows the table of classes.
    projected: bool,
    scalars: HashMap<&'c str, &'c Scalar>,
}

/// Sizes of the generator below `prefix`, such as `G_ema.`; none if it has no attributes.
///
/// # Errors
/// An attribute is missing, or is not of its kind.
pub(crate) fn config(file: &Checkpoint, prefix: &str) -> Result<Option<StyleganConfig>, String> {
    let scalars: HashMap<&str, &Scalar> = file
        .metadata()
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)))
        .filter(|(key, _)| !key.contains("._init_") && !key.starts_with("_init_"))
        .collect();
    let projected = file.get(&format!("{prefix}mapping.embed_proj.weight")).is_some();
    let attributes = Attributes { projected, scalars };
    if attributes.scalars.contains_key("synthesis.layer_names.0") { attributes.generator().map(Some) } else { Ok(None) }
}

impl Attributes<'_> {
    fn generator(&self) -> Result<StyleganConfig, String> {
        let names: Vec<String> = (0..LAYERS)
            .map_while(|i| match self.scalars.get(format!("synthesis.layer_names.{i}").as_str()) {
                Some(Scalar::Str(name)) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        let c_dim = self.count("mapping.c_dim")?;
        let mapping_layers = self.count("mapping.num_layers")?;
        let mapping_lr_multiplier = self.number("mapping.fc0.bias_gain")?;
        for i in 0..mapping_layers.min(LAYERS) {
            self.dense(&format!("mapping.fc{i}"), mapping_lr_multiplier, "lrelu")?;
        }
        self.dense("synthesis.input.affine", 1.0, "linear")?;
        if self.projected && c_dim > 0 {
            self.dense("mapping.embed_proj", 1.0, "lrelu")?;
        }
        Ok(StyleganConfig {
            z_dim: self.count("mapping.z_dim")?,
            w_dim: self.count("mapping.w_dim")?,
            c_dim,
            img_resolution: self.count("synthesis.img_resolution")?,
            img_channels: self.count("synthesis.img_channels")?,
            mapping_layers,
            mapping_lr_multiplier,
            embedding: None,
            input: InputConfig {
                channels: self.count("synthesis.input.channels")?,
                size: self.size("synthesis.input.size")?,
                sampling_rate: self.number("synthesis.input.sampling_rate")?,
                bandwidth: self.number("synthesis.input.bandwidth")?,
            },
            layers: names.into_iter().map(|name| self.layer(name)).collect::<Result<_, _>>()?,
            output_scale: self.number("synthesis.output_scale")?,
        })
    }

    fn layer(&self, name: String) -> Result<LayerConfig, String> {
        let key = |attribute: &str| format!("synthesis.{name}.{attribute}");
        let count = |attribute: &str| self.count(&key(attribute));
        let number = |attribute: &str| self.number(&key(attribute));
        self.dense(&key("affine"), 1.0, "linear")?;
        let mut padding = [0; 4];
        for (i, pad) in padding.iter_mut().enumerate() {
            *pad = self.integer(&key(&format!("padding.{i}")))?;
        }
        Ok(LayerConfig {
            is_torgb: self.flag(&key("is_torgb"))?,
            in_channels: count("in_channels")?,
            out_channels: count("out_channels")?,
            in_size: self.size(&key("in_size"))?,
            out_size: self.size(&key("out_size"))?,
            conv_kernel: count("conv_kernel")?,
            conv_clamp: match self.scalars.contains_key(key("conv_clamp").as_str()) {
                true => Some(number("conv_clamp")?),
                false => None,
            },
            up_factor: count("up_factor")?,
            down_factor: count("down_factor")?,
            up_taps: count("up_taps")?,
            down_taps: count("down_taps")?,
            down_radial: self.flag(&key("down_radial"))?,
            padding,
            in_cutoff: number("in_cutoff")?,
            out_cutoff: number("out_cutoff")?,
            in_half_width: number("in_half_width")?,
            out_half_width: number("out_half_width")?,
            tmp_sampling_rate: number("tmp_sampling_rate")?,
            name,
        })
    }

    /// Checks that a fully connected layer has the gains and the activation that this crate computes.
    fn dense(&self, name: &str, rate: f64, activation: &str) -> Result<(), String> {
        let inputs = self.count(&format!("{name}.in_features"))?.max(1) as f64;
        let wanted = [("weight_gain", rate / inputs.sqrt()), ("bias_gain", rate)];
        for (gain, wanted) in wanted {
            let found = self.number(&format!("{name}.{gain}"))?;
            if (found - wanted).abs() > 1e-6 * wanted.abs() {
                return Err(format!("{gain} of {} is {found}, where {wanted} is usual", shown_key(name)));
            }
        }
        match self.scalars.get(format!("{name}.activation").as_str()) {
            Some(Scalar::Str(found)) if **found == *activation => Ok(()),
            found => {
                let found = found.map_or_else(|| "missing".to_owned(), ToString::to_string);
                Err(format!("the activation of {} is {found}, not {activation}", shown_key(name)))
            }
        }
    }

    fn scalar(&self, key: &str) -> Result<&Scalar, String> {
        self.scalars.get(key).copied().ok_or_else(|| format!("the attribute {} is missing", shown_key(key)))
    }

    fn integer(&self, key: &str) -> Result<isize, String> {
        let whole = match self.scalar(key)? {
            Scalar::Int(n) => isize::try_from(*n).ok(),
            Scalar::Float(x) if x.fract() == 0.0 && x.abs() < 1e9 => Some(*x as isize),
            _ => None,
        };
        whole.ok_or_else(|| format!("the attribute {} is no integer", shown_key(key)))
    }

    fn count(&self, key: &str) -> Result<usize, String> {
        let whole = self.integer(key)?;
        usize::try_from(whole).map_err(|_| format!("the attribute {} is negative", shown_key(key)))
    }

    fn number(&self, key: &str) -> Result<f64, String> {
        match self.scalar(key)? {
            Scalar::Int(n) => Ok(*n as f64),
            Scalar::Float(x) => Ok(*x),
            _ => Err(format!("the attribute {} is no number", shown_key(key))),
        }
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        match self.scalar(key)? {
            Scalar::Bool(b) => Ok(*b),
            Scalar::Int(n @ (0 | 1)) => Ok(*n == 1),
            _ => Err(format!("the attribute {} is neither true nor false", shown_key(key))),
        }
    }

    /// Width and height: a list, or one number for both.
    fn size(&self, key: &str) -> Result<[usize; 2], String> {
        if self.scalars.contains_key(key) {
            return Ok([self.count(key)?; 2]);
        }
        Ok([self.count(&format!("{key}.0"))?, self.count(&format!("{key}.1"))?])
    }
}

/// How a mapping sees the class, told from the shapes of its tensors.
pub(crate) fn embedding(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Option<Embedding> {
    let table = shape("mapping.embed.weight")?;
    match (table.as_slice(), shape("mapping.embed_proj.weight").as_deref()) {
        ([rows, width], Some([projected, _])) => {
            Some(Embedding::Table { rows: *rows, width: *width, projected: *projected })
        }
        _ => Some(Embedding::Dense),
    }
}

fn shown_key(key: &str) -> String {
    shown::quoted(key, shown::KEY).to_string()
}

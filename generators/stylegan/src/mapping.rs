//! The mapping: z and a class to w.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use fmr_nn::bridge::beside;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::config::{Embedding, StyleganConfig};
use crate::dense::{Dense, DenseSettings, normalised};

/// How the class comes in.
#[derive(Module, Debug)]
enum Classes {
    /// Rows of a table, and a layer from them.
    Table(Table),
    /// A column of weights a class.
    Columns(Dense),
}

#[derive(Module, Debug)]
struct Table {
    rows: Param<Tensor<2>>,
    projection: Dense,
}

/// The mapping of a generator.
#[derive(Module, Debug)]
pub struct Mapping {
    classes: Option<Classes>,
    layers: Vec<Dense>,
    /// Means of w, one row a class, or a single one.
    w_avg: Param<Tensor<2>>,
    #[module(skip)]
    c_dim: usize,
}

/// Pulls w towards the mean of its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// Share of the way from the mean that remains.
    pub psi: f32,
    /// Rows of w+ that are pulled, from the first on; all unless said.
    pub cutoff: Option<usize>,
}

impl Mapping {
    pub(crate) fn new(b: &mut Builder, config: &StyleganConfig) -> Self {
        let embedding = config.embedding.filter(|_| config.c_dim > 0);
        let classes = embedding.map(|embedding| match embedding {
            Embedding::Table { rows, width, projected } => Classes::Table(Table {
                rows: b.param("mapping.embed.weight", [rows, width], Init::Normal(1.0)),
                projection: Dense::new(
                    b,
                    "mapping.embed_proj",
                    [width, projected],
                    DenseSettings::new(width, 1.0, true),
                    Init::Zeros,
                ),
            }),
            Embedding::Dense => {
                let settings = DenseSettings::new(config.c_dim, 1.0, false);
                Classes::Columns(Dense::new(b, "mapping.embed", [config.c_dim, config.w_dim], settings, Init::Zeros))
            }
        });
        let rate = config.mapping_lr_multiplier;
        let layers = (0..config.mapping_layers).map(|i| {
            let inputs = if i == 0 { config.mapping_width() } else { config.w_dim };
            let settings = DenseSettings::new(inputs, rate, true);
            Dense::new(b, &format!("mapping.fc{i}"), [inputs, config.w_dim], settings, Init::Zeros)
        });
        let layers = layers.collect();
        let w_avg = match embedding {
            Some(Embedding::Table { .. }) => b.param("mapping.w_avg", [config.c_dim, config.w_dim], Init::Normal(0.1)),
            _ => b.reshaped("mapping.w_avg", &[config.w_dim], [1, config.w_dim], Init::Normal(0.1)),
        };
        Self { classes, layers, w_avg, c_dim: config.c_dim }
    }

    /// w `[n, w_dim]` of `z [n, z_dim]` and a class for each, which an unconditional generator ignores.
    pub fn forward(&self, z: Tensor<2>, classes: &[usize], probe: &mut Probe<'_>) -> Tensor<2> {
        let device = self.w_avg.val().device();
        let mut x = normalised(z);
        let index = || TensorData::new(classes.iter().map(|c| *c as i64).collect::<Vec<_>>(), [classes.len()]);
        let seen = match &self.classes {
            None => None,
            Some(Classes::Table(table)) => {
                let rows = table.rows.val().select(0, Tensor::<1, Int>::from_data(index(), &device));
                probe.see("mapping.embed", &rows);
                let y = table.projection.forward(rows);
                probe.see("mapping.embed_proj", &y);
                Some(y)
            }
            Some(Classes::Columns(columns)) => {
                let mut one_hot = vec![0.0_f32; classes.len() * self.c_dim];
                for (row, class) in one_hot.chunks_exact_mut(self.c_dim).zip(classes) {
                    row[*class] = 1.0;
                }
                let one_hot = TensorData::new(one_hot, [classes.len(), self.c_dim]);
                let one_hot = Tensor::from_data(one_hot, &device);
                let y = columns.forward(one_hot);
                probe.see("mapping.embed", &y);
                Some(y)
            }
        };
        if let Some(y) = seen {
            let y = beside(normalised(y), &x);
            x = Tensor::cat(vec![x, y], 1);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            probe.see(format!("mapping.fc{i}"), &x);
        }
        x
    }

    /// The mean of w for each class `[n, w_dim]`: of the class where means are kept by class.
    pub fn means(&self, classes: &[usize]) -> Tensor<2> {
        let means = self.w_avg.val();
        let row = |class: &usize| if means.dims()[0] > 1 { *class as i64 } else { 0 };
        let rows = TensorData::new(classes.iter().map(row).collect::<Vec<_>>(), [classes.len()]);
        let rows = Tensor::<1, Int>::from_data(rows, &means.device());
        means.select(0, rows)
    }

    /// Rows of w+ `[n, rows, w_dim]`, all of them `w [n, w_dim]`, pulled towards the means of the classes.
    pub fn rows(&self, w: Tensor<2>, classes: &[usize], rows: usize, truncation: Option<Truncation>) -> Tensor<3> {
        let [n, d] = w.dims();
        let repeated = |w: Tensor<2>, rows: usize| w.reshape([n, 1, d]).repeat_dim(1, rows);
        let Some(Truncation { psi, cutoff }) = truncation else { return repeated(w, rows) };
        let mean = beside(self.means(classes), &w);
        let pulled = mean.clone() + (w.clone() - mean) * psi;
        match cutoff.unwrap_or(rows).min(rows) {
            all if all == rows => repeated(pulled, rows),
            0 => repeated(w, rows),
            first => Tensor::cat(vec![repeated(pulled, first), repeated(w, rows - first)], 1),
        }
    }

    /// Classes that it tells apart; zero for an unconditional one.
    pub fn class_count(&self) -> usize {
        self.c_dim
    }
}

//! The nearest row of the codebook, with the gradient passed straight through.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::straight_through;
use fmr_nn::kernels::gemm::{Start, View, gemm};
use fmr_nn::weights::{Builder, Init};

/// Rows that vectors are replaced by.
#[derive(Module, Debug)]
pub struct Codebook {
    weight: Param<Tensor<2>>,
}

impl Codebook {
    /// `rows` rows of `size` values under `name`, drawn as upstream draws them.
    pub fn new(b: &mut Builder, name: &str, [rows, size]: [usize; 2]) -> Self {
        Self { weight: b.param(name, [rows, size], Init::Uniform(1.0 / rows as f32)) }
    }

    /// The rows `[n_embed, embed_dim]`.
    pub fn rows(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// Replaces the rows.
    pub fn set_rows(&mut self, rows: Tensor<2>) {
        let grad = self.weight.is_require_grad();
        self.weight = Param::initialized(self.weight.id, rows.set_require_grad(grad)).set_require_grad(grad);
    }

    /// Index of the nearest row for each position of `z [n, d, h, w]`, in (n, h, w) order; ties go to the lowest index.
    pub fn indices(&self, z: &Tensor<4>) -> Vec<usize> {
        let [_, d, h, w] = z.dims();
        let values = z.clone().without_autodiff().into_data();
        let rows = self.weight.val().without_autodiff().into_data();
        match (values.as_slice::<f32>(), rows.as_slice::<f32>()) {
            (Ok(z), Ok(rows)) => z.chunks_exact(d * h * w).flat_map(|z| nearest(rows, z, d)).collect(),
            _ => Vec::new(),
        }
    }

    /// Rows of the given indices as `[n, d, h, w]`; carries gradients to the codebook.
    pub fn lookup(&self, indices: &[usize], [n, d, h, w]: [usize; 4]) -> Tensor<4> {
        let table = self.weight.val();
        let device = table.device().inner();
        let ids: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
        let ids = burn::tensor::Tensor::<1, burn::tensor::Int>::from_ints(ids.as_slice(), &device);
        let ids = if table.device().is_autodiff() { Tensor::from_inner(ids) } else { ids };
        table.select(0, ids).reshape([n, h, w, d]).permute([0, 3, 1, 2])
    }

    /// Exactly the nearest rows, with the identity as derivative.
    pub fn quantize(&self, z: Tensor<4>) -> Tensor<4> {
        let shape = z.dims();
        let rows = self.lookup(&self.indices(&z), shape).without_autodiff();
        straight_through(z, rows)
    }

    /// The codebook loss of VQModel's training: mean `(sg(e) − z)²` + β · mean `(e − sg(z))²`, where sg stops gradients.
    ///
    /// That is what every published model was trained with ([`Commitment::Legacy`]).
    pub fn loss(&self, z: Tensor<4>, beta: f32, commitment: Commitment) -> Tensor<1> {
        let rows = self.lookup(&self.indices(&z), z.dims());
        let square = |d: Tensor<4>| (d.clone() * d).mean();
        let (to_z, to_rows) = (square(rows.clone().detach() - z.clone()), square(rows - z.detach()));
        match commitment {
            Commitment::Legacy => to_z + to_rows * beta,
            Commitment::Fixed => to_z * beta + to_rows,
        }
    }
}

/// Which part of the codebook loss has the weight β.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitment {
    /// The pull of rows towards vectors: a mistake of the original code that became its default.
    Legacy,
    /// The pull of vectors towards rows, as the VQ-VAE paper has it.
    Fixed,
}

/// Squared distances `[positions, k]` of each column of `z [d, positions]` to each row of `rows [k, d]`.
pub fn squared_distances(rows: &[f32], z: &[f32], d: usize) -> Vec<f64> {
    let positions = z.len() / d.max(1);
    let to = |p: usize, row: &[f32]| -> f64 {
        row.iter().enumerate().map(|(c, e)| (f64::from(z[c * positions + p]) - f64::from(*e)).powi(2)).sum()
    };
    (0..positions).flat_map(|p| rows.chunks_exact(d.max(1)).map(move |row| to(p, row))).collect()
}

/// Index of the row of `rows [k, d]` nearest to each column of `z [d, positions]`.
///
/// Squared distances are compared by their expansion in single precision, and the near-best again exactly in double
/// precision: the expansion alone picks wrong rows where vectors are long and differences small.
pub fn nearest(rows: &[f32], z: &[f32], d: usize) -> Vec<usize> {
    let (k, positions) = (rows.len() / d, z.len() / d);
    let mut scores = vec![0.0; k * positions];
    gemm(k, positions, d, View::rows(rows, d), View::rows(z, positions), &mut scores, positions, Start::Zero);
    let squares: Vec<f32> = rows.chunks_exact(d).map(|r| r.iter().map(|v| v * v).sum()).collect();
    let longest = squares.iter().fold(0.0_f32, |m, v| m.max(*v));
    let mut best = vec![f32::INFINITY; positions];
    for (scores, square) in scores.chunks_exact_mut(positions).zip(&squares) {
        for (score, best) in scores.iter_mut().zip(best.iter_mut()) {
            *score = square - 2.0 * *score;
            *best = best.min(*score);
        }
    }
    (0..positions)
        .map(|p| {
            let length: f32 = (0..d).map(|c| z[c * positions + p] * z[c * positions + p]).sum();
            // A bound on the rounding of the expansion: d products of values up to the longest lengths.
            let slack = 4.0 * f32::EPSILON * (d as f32).sqrt() * (length + longest);
            let exact = |j: usize| -> f64 {
                (0..d).map(|c| (f64::from(z[c * positions + p]) - f64::from(rows[j * d + c])).powi(2)).sum()
            };
            let candidates = (0..k).filter(|j| scores[j * positions + p] <= best[p] + slack);
            let mut found = (f64::INFINITY, 0);
            let mut only = true;
            for j in candidates {
                if only && found.0.is_infinite() {
                    found = (f64::NAN, j);
                    continue;
                }
                if found.0.is_nan() {
                    found.0 = exact(found.1);
                }
                only = false;
                let distance = exact(j);
                if distance < found.0 {
                    found = (distance, j);
                }
            }
            found.1
        })
        .collect()
}

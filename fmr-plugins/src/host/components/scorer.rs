//! A scorer of a plugin.

use fmr_core::{ComponentError, Scorer};
use ndarray::{Array1, Array2, ArrayView2};

use super::array;
use crate::abi;
use crate::host::buffers::Tensor;
use crate::host::handle::Handle;

/// Its functions cross the border.
#[derive(Debug)]
pub(in crate::host) struct PluginScorer {
    handle: Handle,
}

impl PluginScorer {
    pub(in crate::host) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl Scorer for PluginScorer {
    fn name(&self) -> &str {
        &self.handle.info().name
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        let (n, k) = logits.dim();
        let asked = format!("score {n} rows of logits");
        self.handle.same_len(&asked, n, labels)?;
        if clean.dim() != (n, k) {
            return Err(self.handle.error(&asked, format!("clean logits of {:?}, not {:?}", clean.shape(), [n, k])));
        }
        if n == 0 {
            return Ok((Array1::zeros(0), Array2::zeros((0, k))));
        }
        let inputs = vec![Tensor::copy(logits), Tensor::copy(clean), Tensor::labels(labels)];
        let [scores, gradients] = self.handle.forward(&asked, abi::SCORE, inputs, [&[n], &[n, k]])?;
        Ok((Array1::from_vec(scores), array(ndarray::Dim([n, k]), gradients)))
    }
}

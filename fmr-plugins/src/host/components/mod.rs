//! Components of plugins as implementations of the traits, a file each, and what these share.

mod generator;
mod oracle;
mod scorer;
mod target;

use fmr_core::ComponentError;
use fmr_core::preprocess::Picture;
use ndarray::{Array, Array2, ArrayView, Axis, Dimension, RemoveAxis};

pub(super) use generator::PluginGenerator;
pub(super) use oracle::PluginOracle;
pub(super) use scorer::PluginScorer;
pub(super) use target::PluginTarget;

use super::border::Saved;
use super::buffers::Tensor;
use super::handle::Handle;
use crate::abi;

fn array<D: Dimension>(shape: D, values: Vec<f32>) -> Array<f32, D> {
    // The values were made for this shape, so the fallback is never taken.
    Array::from_shape_vec(shape.clone(), values).unwrap_or_else(|_| Array::zeros(shape))
}

/// How many samples each saved state of a batch covers.
struct Parts {
    saved: Vec<Saved>,
    each: usize,
}

impl Handle {
    /// A forward with a pull-back to the first input: in one go, or one sample at a time where the plugin needs that.
    fn differentiate<D: RemoveAxis, E: RemoveAxis>(
        &self,
        asked: &str,
        function: abi::Function,
        input: ArrayView<'_, f32, D>,
        labels: Option<&[usize]>,
        row: E,
    ) -> Result<(Array<f32, E>, Parts), ComponentError> {
        let n = input.len_of(Axis(0));
        let each = if self.info().batched_pull_back { n } else { 1 };
        let mut saved = vec![];
        let mut values = vec![];
        for start in (0..n).step_by(each.max(1)) {
            let some = input.slice_axis(Axis(0), (start..start + each).into());
            let mut inputs = vec![Tensor::copy(some)];
            inputs.extend(labels.map(|l| Tensor::labels(&l[start..start + each])));
            let mut shape = row.clone();
            shape[0] = each;
            let (part, state) = self.forward_saving(asked, function, inputs, shape.slice())?;
            saved.push(state);
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        let mut shape = row;
        shape[0] = n;
        Ok((array(shape, values), Parts { saved, each }))
    }

    /// The pull-back of [`Handle::differentiate`].
    fn pull<D: RemoveAxis, E: RemoveAxis>(
        &self,
        asked: &str,
        parts: Parts,
        cotangent: ArrayView<'_, f32, E>,
        row: D,
    ) -> Result<Array<f32, D>, ComponentError> {
        let n = cotangent.len_of(Axis(0));
        let mut shape = row;
        shape[0] = n;
        let expected = parts.saved.len() * parts.each;
        if n != expected {
            return Err(self.error(asked, format!("{n} cotangents for a batch of {expected}")));
        }
        let mut values = vec![];
        for (i, saved) in parts.saved.into_iter().enumerate() {
            let some = cotangent.slice_axis(Axis(0), (i * parts.each..(i + 1) * parts.each).into());
            let mut part = shape.clone();
            part[0] = parts.each;
            let part = self.pull_back(asked, saved, Tensor::copy(some), part.slice())?;
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        Ok(array(shape, values))
    }

    /// Rows of `columns` values for pictures, one each; absent where the plugin takes none.
    fn of_pictures(
        &self,
        asked: &str,
        function: abi::Function,
        pictures: &[Picture],
        columns: usize,
    ) -> Result<Option<Array2<f32>>, ComponentError> {
        let shape = [pictures.len(), columns];
        if !self.info().pictures || pictures.is_empty() {
            return Ok(self.info().pictures.then(|| Array2::zeros(shape)));
        }
        let inputs = pictures.iter().map(Tensor::picture).collect::<Result<_, _>>();
        let inputs = inputs.map_err(|problem| self.error(asked, problem))?;
        let [values] = self.forward(asked, function, inputs, [&shape])?;
        Ok(Some(array(ndarray::Dim(shape), values)))
    }

    /// What the component is shown, for reports.
    fn preprocessing(&self) -> Option<String> {
        let said = self.info().preprocessing.clone();
        match (said, self.info().pictures) {
            (Some(said), true) => Some(said),
            (Some(said), false) => {
                Some(format!("{said}; from originals at the generator's size, since its plugin takes no pictures"))
            }
            (None, true) => {
                Some("originals as their files hold them; its plugin does not say what it does to them".into())
            }
            (None, false) => None,
        }
    }

    fn same_len(&self, asked: &str, n: usize, labels: &[usize]) -> Result<(), ComponentError> {
        if labels.len() == n {
            Ok(())
        } else {
            Err(self.error(asked, format!("{} labels for {n} samples", labels.len())))
        }
    }
}

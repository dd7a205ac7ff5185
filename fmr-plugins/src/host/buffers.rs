//! Tensors that cross the border.

use fmr_core::preprocess::Picture;

use crate::abi::{DType, View};

/// A NaN that no computation gives: what still holds it was not written.
const UNWRITTEN: u32 = 0x7fc5_eb1d;
/// Values behind an output that have to stay as they are.
const FENCE: usize = 16;

fn strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

#[derive(Debug)]
enum Values {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// An input.
#[derive(Debug)]
pub(super) struct Tensor {
    values: Values,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl Tensor {
    /// Copies an array, row by row.
    pub(super) fn copy<D: ndarray::Dimension>(array: ndarray::ArrayView<'_, f32, D>) -> Self {
        let shape: Vec<i64> = array.shape().iter().map(|l| *l as i64).collect();
        let values = array.as_slice().map_or_else(|| array.iter().copied().collect(), <[f32]>::to_vec);
        Self { values: Values::F32(values), strides: strides(&shape), shape }
    }

    /// A picture's bytes `[c, h, w]`, copied; an error where they are not what the shape says, or not grey or RGB.
    pub(super) fn picture(picture: &Picture) -> Result<Self, String> {
        let [c, h, w] = picture.shape;
        let len = c.checked_mul(h).and_then(|ch| ch.checked_mul(w));
        if !matches!(c, 1 | 3) || h == 0 || w == 0 || len != Some(picture.bytes.len()) {
            return Err(format!("a picture of shape {:?} with {} bytes", picture.shape, picture.bytes.len()));
        }
        let shape = picture.shape.map(|l| l as i64);
        Ok(Self { values: Values::U8(picture.bytes.clone()), strides: strides(&shape), shape: shape.to_vec() })
    }

    /// Class indices.
    pub(super) fn labels(labels: &[usize]) -> Self {
        let values = labels.iter().map(|l| i64::try_from(*l).unwrap_or(i64::MAX)).collect();
        Self { values: Values::I64(values), shape: vec![labels.len() as i64], strides: vec![1] }
    }

    /// For reading; the interface has one type of view for both directions.
    pub(super) fn view(&self) -> View {
        let (data, dtype) = match &self.values {
            Values::F32(v) => (v.as_ptr().cast_mut().cast(), DType::F32),
            Values::I64(v) => (v.as_ptr().cast_mut().cast(), DType::I64),
            Values::U8(v) => (v.as_ptr().cast_mut().cast(), DType::U8),
        };
        View { data, shape: self.shape.as_ptr(), strides: self.strides.as_ptr(), ndim: self.shape.len() as u32, dtype }
    }
}

/// An output, which knows whether all of it and nothing else was written.
#[derive(Debug)]
pub(super) struct Output {
    values: Vec<f32>,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl Output {
    /// An output of that shape, which follows from what the plugin says of itself: there may be no room for it.
    pub(super) fn new(shape: &[usize]) -> Result<Self, String> {
        let mut values = Vec::new();
        let len = shape.iter().try_fold(1_usize, |len, l| len.checked_mul(*l)).and_then(|len| len.checked_add(FENCE));
        let room = len.filter(|len| values.try_reserve_exact(*len).is_ok());
        let len = room.ok_or_else(|| {
            format!("there is no memory for an output of shape {shape:?}, as follows from what it says of itself; use smaller batches, or tell its author")
        })?;
        values.resize(len, f32::from_bits(UNWRITTEN));
        let shape: Vec<i64> = shape.iter().map(|l| *l as i64).collect();
        Ok(Self { values, strides: strides(&shape), shape })
    }

    pub(super) fn view(&mut self) -> View {
        View {
            data: self.values.as_mut_ptr().cast(),
            shape: self.shape.as_ptr(),
            strides: self.strides.as_ptr(),
            ndim: self.shape.len() as u32,
            dtype: DType::F32,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (values, fence) = self.values.split_at(self.values.len() - FENCE);
        if fence.iter().any(|v| v.to_bits() != UNWRITTEN) {
            return Err(format!(
                "it wrote beyond the end of an output of shape {:?}, which may have damaged this process; tell its author",
                self.shape
            ));
        }
        let unwritten = values.iter().filter(|v| v.to_bits() == UNWRITTEN).count();
        if unwritten > 0 {
            return Err(format!(
                "it left {unwritten} of the {} values of an output of shape {:?} unwritten; tell its author",
                values.len(),
                self.shape
            ));
        }
        Ok(())
    }

    pub(super) fn into_values(mut self) -> Vec<f32> {
        self.values.truncate(self.values.len() - FENCE);
        self.values
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_bytes_of_its_shape() {
        let picture = |shape, len| Tensor::picture(&Picture { shape, bytes: vec![7; len] });
        for (shape, len) in [([1, 2, 3], 6), ([3, 1, 5], 15)] {
            let view = picture(shape, len).unwrap().view();
            assert_eq!((view.ndim, view.dtype), (3, DType::U8));
        }
        for (shape, len) in [([3, 2, 3], 17), ([1, 0, 3], 0), ([4, 1, 1], 4), ([1, usize::MAX, 2], 0), ([0, 1, 1], 0)] {
            assert!(picture(shape, len).unwrap_err().starts_with("a picture of shape ["));
        }
    }

    #[test]
    fn an_output_that_no_memory_holds_is_an_error() {
        assert_eq!(Output::new(&[2, 3]).unwrap().into_values().len(), 6);
        for shape in [&[usize::MAX, 2][..], &[usize::MAX], &[1 << 20, 1 << 42]] {
            let error = Output::new(shape).unwrap_err();
            assert!(error.starts_with("there is no memory for an output of shape ["), "{error}");
        }
    }
}

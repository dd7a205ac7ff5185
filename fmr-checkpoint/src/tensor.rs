//! A stored tensor: a strided view of a storage in the file, read on demand.

use crate::dtype::Dtype;
use crate::error::Fault;
use crate::limits;
use crate::source::{Source, Span};

/// Name, element type and shape of one tensor of a checkpoint.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    key: String,
    view: View,
}

impl TensorInfo {
    pub(crate) fn new(key: String, view: View) -> Self {
        Self { key, view }
    }

    /// Full key: the path through nested dicts, lists and modules, joined by dots.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Element type in the file.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.view.dtype
    }

    /// Sizes of the dimensions; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.view.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.view.numel
    }

    /// Approximate memory that this description takes.
    pub(crate) fn cost(&self) -> usize {
        std::mem::size_of::<Self>() + 2 * self.key.len() + 64 + 16 * self.view.shape.len()
    }

    pub(crate) fn read_f32(&self, source: &Source) -> Result<Vec<f32>, Fault> {
        self.view.read(source, |dtype, bytes, out| {
            dtype.decode_f32(bytes, out);
            Ok(())
        })
    }

    pub(crate) fn read_i64(&self, source: &Source) -> Result<Vec<i64>, Fault> {
        self.view.read(source, Dtype::decode_i64)
    }
}

/// A view whose every element is known to lie inside its storage.
#[derive(Debug, Clone)]
pub(crate) struct View {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Distance in elements between neighbours of each dimension.
    strides: Vec<u64>,
    numel: usize,
    /// The bytes from the view's first to its last element.
    bytes: Span,
}

impl View {
    /// A view of `storage` that starts `offset` elements into it.
    pub(crate) fn new(dtype: Dtype, storage: Span, offset: u64, shape: &[u64], strides: &[u64]) -> Result<Self, Fault> {
        let outside = || {
            Fault::corrupt(format!(
                "a tensor of shape {shape:?}, strides {strides:?} and offset {offset} does not fit its storage of {} bytes",
                storage.len
            ))
        };
        if shape.len() != strides.len() || shape.len() > limits::DIMENSIONS {
            return Err(outside());
        }
        let item = dtype.size() as u64;
        let numel = shape.iter().try_fold(1u64, |n, &size| n.checked_mul(size));
        let numel = numel.ok_or_else(outside)?;
        let extent = if numel == 0 {
            0
        } else {
            let last = shape
                .iter()
                .zip(strides)
                .try_fold(0u64, |last, (&size, &stride)| last.checked_add((size - 1).checked_mul(stride)?));
            last.and_then(|last| last.checked_add(1)).ok_or_else(outside)?
        };
        // Repeated elements (stride 0) would let a tiny file ask for any amount of memory.
        if numel > (storage.len / item).max(limits::REPEATED_ELEMENTS) {
            return Err(outside());
        }
        let start = if extent == 0 { Some(0) } else { offset.checked_mul(item) };
        let bytes = start
            .zip(extent.checked_mul(item))
            .and_then(|(start, len)| storage.part(start, len))
            .ok_or_else(outside)?;
        let to_usize = |n: u64| usize::try_from(n).map_err(|_| outside());
        Ok(Self {
            dtype,
            shape: shape.iter().map(|&n| to_usize(n)).collect::<Result<_, _>>()?,
            // The stride of a dimension of one element is arbitrary; 0 keeps later sums small.
            strides: shape.iter().zip(strides).map(|(&size, &stride)| if size > 1 { stride } else { 0 }).collect(),
            numel: to_usize(numel)?,
            bytes,
        })
    }

    /// A view of the whole storage in row-major order.
    pub(crate) fn contiguous(dtype: Dtype, storage: Span, shape: &[u64]) -> Result<Self, Fault> {
        let mut strides = vec![1u64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
        }
        Self::new(dtype, storage, 0, shape, &strides)
    }

    /// Whether the elements lie in row-major order without gaps.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1u64;
        self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size as u64);
            fits
        })
    }

    /// Reads the elements in row-major order.
    fn read<T: Copy>(
        &self,
        source: &Source,
        decode: impl Fn(Dtype, &[u8], &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Fault> {
        // Converting piecewise keeps the raw bytes of a large tensor out of memory.
        const PIECE: u64 = 1 << 20;
        if self.numel == 0 {
            return Ok(Vec::new());
        }
        let stored = usize::try_from(self.bytes.len / self.dtype.size() as u64)
            .map_err(|_| Fault::unsupported("a tensor larger than the address space"))?;
        let mut elements = Vec::with_capacity(stored);
        let mut done = 0;
        while done < self.bytes.len {
            let piece = Span { offset: self.bytes.offset + done, len: PIECE.min(self.bytes.len - done) };
            decode(self.dtype, &source.read(piece, PIECE)?, &mut elements)?;
            done += piece.len;
        }
        if self.is_contiguous() {
            return Ok(elements);
        }
        Ok(self.gather(&elements))
    }

    /// Picks the view's elements out of everything between its first and its last.
    fn gather<T: Copy>(&self, elements: &[T]) -> Vec<T> {
        let mut gathered = Vec::with_capacity(self.numel);
        let mut index = vec![0usize; self.shape.len()];
        let mut position = 0u64;
        for _ in 0..self.numel {
            gathered.push(elements[position as usize]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                position += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                position -= self.strides[axis] * self.shape[axis] as u64;
                index[axis] = 0;
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn view(count: u64, offset: u64, shape: &[u64], strides: &[u64]) -> Result<Vec<i64>, Fault> {
        let source = Source::memory((0..count).map(|n| n as u8).collect());
        let view = View::new(Dtype::U8, source.span(), offset, shape, strides)?;
        TensorInfo::new(String::new(), view).read_i64(&source)
    }

    #[test]
    fn strides_and_offsets_are_honoured() {
        assert_eq!(view(12, 0, &[2, 3], &[3, 1]).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(view(12, 4, &[2, 3], &[1, 2]).unwrap(), [4, 6, 8, 5, 7, 9]);
        assert_eq!(view(12, 11, &[], &[]).unwrap(), [11]);
        assert_eq!(view(12, 2, &[2, 2], &[0, 1]).unwrap(), [2, 3, 2, 3]);
        assert!(view(12, 9, &[0, 3], &[3, 1]).unwrap().is_empty());
        assert_eq!(view(12, 0, &[3, 1], &[4, 99]).unwrap(), [0, 4, 8]);
    }

    #[test]
    fn views_beyond_the_storage_are_refused() {
        assert!(view(12, 7, &[2, 3], &[3, 1]).is_err());
        assert!(view(12, 0, &[u64::MAX, 2], &[1, 1]).is_err());
        assert!(view(12, 0, &[2, 2], &[u64::MAX, u64::MAX]).is_err());
        assert!(view(12, 0, &[1 << 40], &[0]).is_err());
        assert!(view(12, 0, &[2], &[1, 1]).is_err());
        assert!(view(12, u64::MAX, &[1], &[1]).is_err());
    }

    proptest! {
        #[test]
        fn gather_agrees_with_index_arithmetic(
            shape in prop::collection::vec(1u64..4, 1..4),
            strides in prop::collection::vec(0u64..5, 4),
            offset in 0u64..4,
        ) {
            let strides = &strides[..shape.len()];
            let found = view(200, offset, &shape, strides).unwrap();
            let mut expected = vec![offset];
            for (&size, &stride) in shape.iter().zip(strides) {
                expected = expected
                    .iter()
                    .flat_map(|start| (0..size).map(move |n| start + n * stride))
                    .collect();
            }
            let expected: Vec<i64> = expected.into_iter().map(|n| n as i64).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

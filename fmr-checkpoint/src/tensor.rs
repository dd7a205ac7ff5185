//! A stored tensor: a strided view of a storage in the file, read on demand.

use std::sync::Arc;

use crate::dtype::Dtype;
use crate::error::Fault;
use crate::limits;
use crate::source::{Source, Span};

/// Name, element type and shape of one tensor of a checkpoint. Copies share what they hold.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    key: Arc<str>,
    view: Arc<View>,
    /// Number of the file of the checkpoint that holds the values.
    part: usize,
}

impl TensorInfo {
    pub(crate) fn new(key: Arc<str>, view: Arc<View>) -> Self {
        Self { key, view, part: 0 }
    }

    /// The same tensor, as one of a file among several.
    pub(crate) fn in_part(self, part: usize) -> Self {
        Self { part, ..self }
    }

    /// Full key: the path through nested dicts, lists and modules, joined by dots.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn shared_key(&self) -> Arc<str> {
        Arc::clone(&self.key)
    }

    pub(crate) fn part(&self) -> usize {
        self.part
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

    /// Memory that a tensor of this key takes in lists and indices, without its view, at most.
    pub(crate) fn cost(key: &str) -> usize {
        key.len() + 4 * size_of::<Self>() + 64
    }

    pub(crate) fn read_f32(&self, source: &Source) -> Result<Vec<f32>, Fault> {
        self.view.read(source, Dtype::decode_f32)
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

    /// Memory that this description takes, at most.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Self>() + 64 + 16 * self.shape.len()
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

    /// Reads the elements in row-major order. Work and memory are linear in their number.
    fn read<T: Copy>(&self, source: &Source, decode: Decode<T>) -> Result<Vec<T>, Fault> {
        // A view of few elements of a large storage must not read all of it.
        const SPARSE: u64 = 8;
        if self.numel == 0 {
            return Ok(Vec::new());
        }
        let stored = self.bytes.len / self.dtype.size() as u64;
        if stored > SPARSE * self.numel as u64 {
            return self.pick(source, decode);
        }
        let elements = self.read_all(source, decode)?;
        if self.is_contiguous() {
            return Ok(elements);
        }
        let mut gathered = Vec::with_capacity(self.numel);
        self.each_position(|position| {
            gathered.push(elements[position as usize]);
            Ok(())
        })?;
        Ok(gathered)
    }

    /// Reads everything between the first and the last element.
    fn read_all<T: Copy>(&self, source: &Source, decode: Decode<T>) -> Result<Vec<T>, Fault> {
        // Converting piecewise keeps the raw bytes of a large tensor out of memory.
        const PIECE: u64 = 1 << 20;
        let stored = usize::try_from(self.bytes.len / self.dtype.size() as u64)
            .map_err(|_| Fault::unsupported("a tensor larger than the address space"))?;
        let mut elements = Vec::with_capacity(stored);
        let mut done = 0;
        while done < self.bytes.len {
            let piece = Span { offset: self.bytes.offset + done, len: PIECE.min(self.bytes.len - done) };
            decode(self.dtype, &source.read(piece, PIECE)?, &mut elements)?;
            done += piece.len;
        }
        Ok(elements)
    }

    /// Reads each element on its own, through a window that is small enough to be thrown away for the next one.
    fn pick<T: Copy>(&self, source: &Source, decode: Decode<T>) -> Result<Vec<T>, Fault> {
        const WINDOW: u64 = 4096;
        let size = self.dtype.size() as u64;
        let mut window = Vec::new();
        let mut window_start = 0;
        let mut picked = Vec::with_capacity(self.numel);
        self.each_position(|position| {
            let start = position * size;
            let inside = start.checked_sub(window_start).filter(|from| from + size <= window.len() as u64);
            let from = match inside {
                Some(from) => from as usize,
                None => {
                    let len = WINDOW.min(self.bytes.len - start);
                    window = source.read(Span { offset: self.bytes.offset + start, len }, WINDOW)?;
                    window_start = start;
                    0
                }
            };
            decode(self.dtype, &window[from..from + size as usize], &mut picked)
        })?;
        Ok(picked)
    }

    /// Calls `at` with the place of each element, in elements from the first, in row-major order.
    fn each_position(&self, mut at: impl FnMut(u64) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut index = vec![0usize; self.shape.len()];
        let mut position = 0u64;
        for _ in 0..self.numel {
            at(position)?;
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
        Ok(())
    }
}

/// Appends the elements that bytes hold.
type Decode<T> = fn(Dtype, &[u8], &mut Vec<T>) -> Result<(), Fault>;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn view(count: u64, offset: u64, shape: &[u64], strides: &[u64]) -> Result<Vec<i64>, Fault> {
        let source = Source::memory((0..count).map(|n| n as u8).collect());
        let view = View::new(Dtype::U8, source.span(), offset, shape, strides)?;
        TensorInfo::new("".into(), Arc::new(view)).read_i64(&source)
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

    #[test]
    fn few_elements_of_a_large_storage_are_read_one_by_one() {
        assert_eq!(view(255, 3, &[2, 2], &[200, 20]).unwrap(), [3, 23, 203, 223]);
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

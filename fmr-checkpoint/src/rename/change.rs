//! What happens to the values of a tensor that gets another name.

use crate::weights::Stored;

/// What happens to the values of a tensor that gets another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing.
    None,
    /// `[a, b]` becomes `[b, a]`.
    Transpose,
    /// `[a, b]` becomes `[a, b, 1, 1]`; anything else stays.
    Kernel,
    /// `[a, b, 1, 1]` becomes `[a, b]`; anything else stays.
    Matrix,
    /// Number `index` of `of` tensors that become one along their first dimension.
    Part {
        /// Place among the parts.
        index: usize,
        /// Number of parts.
        of: usize,
    },
    /// Number `index` of the `of` equal slices that a tensor is cut into along its first dimension.
    Slice {
        /// Place among the slices.
        index: usize,
        /// Number of slices.
        of: usize,
    },
}

impl Change {
    /// The shape of the tensor that one of this shape becomes; of a part, where all parts are alike, that of the whole.
    #[must_use]
    pub fn shape(self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        match self {
            Self::Transpose => shape.reverse(),
            Self::Kernel if shape.len() == 2 => shape.extend([1, 1]),
            Self::Part { of, .. } => shape.iter_mut().take(1).for_each(|rows| *rows = rows.saturating_mul(of)),
            Self::Matrix if shape.len() == 4 && shape.ends_with(&[1, 1]) => shape.truncate(2),
            Self::Slice { of, .. } => shape.iter_mut().take(1).for_each(|rows| *rows /= of.max(1)),
            Self::None | Self::Kernel | Self::Matrix => {}
        }
        shape
    }

    pub(super) fn fits(self, shape: &[usize]) -> bool {
        match self {
            Self::Transpose => shape.len() == 2,
            Self::Slice { of, .. } => shape.first().is_some_and(|rows| of > 0 && rows.is_multiple_of(of)),
            _ => true,
        }
    }

    /// The changed tensor, whose shape must fit.
    pub(super) fn apply(self, stored: Stored) -> Stored {
        let shape = self.shape(&stored.shape);
        let values = match (self, stored.shape.as_slice()) {
            (Self::Transpose, &[_, columns]) => transposed(&stored.values, columns),
            (Self::Slice { index, of }, _) => {
                let len = stored.values.len() / of.max(1);
                stored.values[index * len..(index + 1) * len].to_vec()
            }
            _ => stored.values,
        };
        Stored { shape, values }
    }
}

/// A row-major matrix column by column.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns)).copied().collect()
}

/// Tensors one below the other. Their shapes agree beyond the first dimension.
pub(super) fn concatenated(parts: impl Iterator<Item = Stored>) -> Stored {
    let mut whole = Stored { shape: Vec::new(), values: Vec::new() };
    for part in parts {
        match whole.shape.first_mut() {
            Some(rows) => *rows += part.shape.first().copied().unwrap_or_default(),
            None => whole.shape = part.shape,
        }
        whole.values.extend(part.values);
    }
    whole
}

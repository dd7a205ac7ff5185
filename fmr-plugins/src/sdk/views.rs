//! The host's buffers as `ndarray` views.

use fmr_core::ComponentError;
use fmr_core::preprocess::Picture;
use ndarray::{ArrayBase, ArrayView, Data, Dimension};

use super::failure::Failure;
use crate::abi::{DType, View};
use crate::prefix;

/// Element types of the interface.
pub(super) trait Element: Copy {
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}

impl Element for i64 {
    const DTYPE: DType = DType::I64;
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;
}

/// Shape of a view after all that can be checked was.
unsafe fn shape<T: Element, D: Dimension>(view: &View) -> Result<D, Failure> {
    let n = D::NDIM.unwrap_or_default();
    // SAFETY: a view has `ndim` lengths and strides.
    let (lengths, strides) =
        unsafe { (prefix::list(view.shape, view.ndim as usize), prefix::list(view.strides, view.ndim as usize)) };
    let (Some(lengths), Some(strides)) = (lengths, strides) else {
        return Err(Failure::bad_call("a buffer without shape or strides"));
    };
    if view.dtype != T::DTYPE || lengths.len() != n {
        return Err(Failure::bad_call("a buffer has the wrong type or number of dimensions"));
    }
    let mut shape = D::zeros(n);
    // Distance of neighbours, and bytes as an array counts them: without its lengths of zero.
    let (mut expected, mut bytes) = (1_i64, size_of::<T>() as isize);
    for axis in (0..n).rev() {
        let (length, stride) = (lengths[axis], strides[axis]);
        if length < 0 || (length > 1 && stride != expected) {
            return Err(Failure::bad_call("a buffer is not laid out row by row"));
        }
        let room = isize::try_from(length.max(1)).ok().and_then(|length| bytes.checked_mul(length));
        bytes = room.ok_or_else(|| Failure::bad_call("a buffer is too long"))?;
        // No more than `bytes`.
        expected *= length;
        shape[axis] = length as usize;
    }
    let data = view.data.cast::<T>();
    if data.is_null() || !data.is_aligned() {
        return Err(Failure::bad_call("a buffer is null or misaligned"));
    }
    Ok(shape)
}

/// An input.
///
/// # Safety
/// The view is valid, as the header describes, for `'a`.
pub(super) unsafe fn input<'a, T: Element, D: Dimension>(view: &View) -> Result<ArrayView<'a, T, D>, Failure> {
    // SAFETY: the caller's promise.
    let shape = unsafe { shape::<T, D>(view)? };
    // SAFETY: the data covers the shape without gaps, is aligned, and nobody writes it during the call.
    Ok(unsafe { ArrayView::from_shape_ptr(shape, view.data.cast::<T>()) })
}

/// Labels as indices.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn labels(view: &View) -> Result<Vec<usize>, Failure> {
    // SAFETY: the caller's promise.
    let labels = unsafe { input::<i64, ndarray::Ix1>(view)? };
    let index = |l: &i64| usize::try_from(*l).map_err(|_| Failure::bad_call(format!("{l} is not a label")));
    labels.iter().map(index).collect()
}

/// Pictures, an input each.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn pictures(views: &[View]) -> Result<Vec<Picture>, Failure> {
    let picture = |view: &View| {
        // SAFETY: the caller's promise.
        let pixels = unsafe { input::<u8, ndarray::Ix3>(view)? };
        let (c, h, w) = pixels.dim();
        if !matches!(c, 1 | 3) || pixels.is_empty() {
            return Err(Failure::bad_call(format!("a picture of shape {:?}", [c, h, w])));
        }
        Ok(Picture { shape: [c, h, w], bytes: pixels.iter().copied().collect() })
    };
    views.iter().map(picture).collect()
}

/// Writes a result to an output, whose shape the host derived from what the component says of itself.
///
/// # Safety
/// As for [`input`], and nobody else has access to the data during the call.
pub(super) unsafe fn output<S: Data<Elem = f32>, D: Dimension>(
    view: &View,
    what: &str,
    value: &ArrayBase<S, D>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let wanted = unsafe { shape::<f32, D>(view)? };
    if value.raw_dim() != wanted {
        let problem = format!(
            "it gave {what} of shape {:?}, but {:?} follows from what it says of itself and from the batch",
            value.shape(),
            wanted.slice()
        );
        return Err(ComponentError::new("", "", problem).into());
    }
    // SAFETY: the data covers the shape, is aligned and is ours alone. Writing one by one, as it may be uninitialised.
    unsafe {
        let mut at = view.data.cast::<f32>();
        if let Some(slice) = value.as_slice() {
            at.copy_from_nonoverlapping(slice.as_ptr(), slice.len());
        } else {
            for v in value {
                at.write(*v);
                at = at.add(1);
            }
        }
    }
    Ok(())
}

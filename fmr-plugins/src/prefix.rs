//! Reading what the other side lends: lists, and structures that may be older and shorter, or newer and longer, than
//! those declared here.

use std::mem::{MaybeUninit, offset_of};

use crate::abi;

/// A structure of the interface that starts with its size in bytes, a `u32`.
///
/// # Safety
/// The type is `repr(C)`, its first field is that `u32`, all zeros are a valid value of it, and it needs no drop.
pub(crate) unsafe trait Prefix: Copy {
    /// Bytes that version 1.0 requires; what follows is optional.
    const MINIMUM: usize;
}

// SAFETY: repr(C), `size` first; integers, nullable pointers and optional functions only.
unsafe impl Prefix for abi::Library {
    const MINIMUM: usize = offset_of!(abi::Library, live_handles);
}
// SAFETY: as above.
unsafe impl Prefix for abi::Component {
    const MINIMUM: usize = offset_of!(abi::Component, set_classes);
}
// SAFETY: as above.
unsafe impl Prefix for abi::Info {
    const MINIMUM: usize = offset_of!(abi::Info, preprocessing);
}
// SAFETY: as above.
unsafe impl Prefix for abi::Call {
    const MINIMUM: usize = size_of::<abi::Call>();
}
// SAFETY: as above.
unsafe impl Prefix for abi::Site {
    const MINIMUM: usize = size_of::<abi::Site>();
}
// SAFETY: as above.
unsafe impl Prefix for abi::Host {
    const MINIMUM: usize = size_of::<abi::Host>();
}

/// Why a structure cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The pointer is null or not aligned.
    Pointer,
    /// The structure states fewer bytes than version 1.0 has.
    Short {
        /// Bytes stated.
        size: usize,
        /// Bytes needed.
        minimum: usize,
    },
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pointer => f.write_str("its pointer is null or misaligned"),
            Self::Short { size, minimum } => write!(f, "it states {size} bytes, at least {minimum} are needed"),
        }
    }
}

/// Copies a structure: fields beyond its stated size read as zero, fields that are not known here are left out.
///
/// # Safety
/// A pointer that is neither null nor misaligned points at as many readable bytes as its first `u32` states.
pub(crate) unsafe fn read<T: Prefix>(ptr: *const T) -> Result<T, Unreadable> {
    if ptr.is_null() || !ptr.is_aligned() {
        return Err(Unreadable::Pointer);
    }
    // SAFETY: a `Prefix` starts with its size, and the caller vouches for the pointer.
    let size = unsafe { ptr.cast::<u32>().read() } as usize;
    if size < T::MINIMUM {
        return Err(Unreadable::Short { size, minimum: T::MINIMUM });
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    // A pointer that the stated size cuts in two counts as null.
    let whole = size.min(size_of::<T>()) / align_of::<T>() * align_of::<T>();
    // SAFETY: source has `size` bytes, destination has `size_of::<T>()`, and they are distinct objects.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(ptr.cast(), whole) };
    // SAFETY: all-zero is valid for a `Prefix`, and so is whatever prefix the other side wrote over it.
    Ok(unsafe { copy.assume_init() })
}

/// A list that the other side lends; `None` where its pointer is null or misaligned, or it is longer than memory.
///
/// # Safety
/// A pointer that is neither null nor misaligned leads to `len` values that nobody changes during `'a`.
pub(crate) unsafe fn list<'a, T>(ptr: *const T, len: usize) -> Option<&'a [T]> {
    if len == 0 {
        return Some(&[]);
    }
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes <= isize::MAX as usize);
    // SAFETY: neither null nor misaligned, so valid by the caller's promise, and not longer than a slice may be.
    (!ptr.is_null() && ptr.is_aligned() && fits).then(|| unsafe { std::slice::from_raw_parts(ptr, len) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The interface one version on: one function more at the end of the table.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Next {
        base: abi::Component,
        extra: Option<unsafe extern "C" fn()>,
    }
    // SAFETY: starts with `base`, which starts with its size.
    unsafe impl Prefix for Next {
        const MINIMUM: usize = abi::Component::MINIMUM;
    }

    unsafe extern "C" fn destroy(_: *mut abi::Instance) {}

    fn component(size: usize) -> abi::Component {
        abi::Component {
            size: size as u32,
            role: abi::TARGET,
            name: abi::Str::new("old"),
            create: None,
            destroy: Some(destroy),
            info: None,
            forward: None,
            set_classes: None,
            pull_back: None,
            release: None,
            schema: abi::Str::new("{}"),
            check: None,
        }
    }

    #[test]
    fn a_newer_host_reads_an_older_table() {
        // Exactly as many bytes as version N has: reading more would be caught by the sanitizers.
        let old = Box::new(component(size_of::<abi::Component>()));
        // SAFETY: the table states its true size.
        let seen = unsafe { read((&raw const *old).cast::<Next>()) }.unwrap();
        assert!(seen.extra.is_none());
        assert!(seen.base.destroy.is_some());
        assert_eq!(seen.base.schema.len, 2);
    }

    #[test]
    fn an_older_host_reads_a_newer_table() {
        unsafe extern "C" fn extra() {}
        let new = Next { base: component(size_of::<Next>()), extra: Some(extra) };
        assert!(new.extra.is_some());
        // SAFETY: the table states its true size.
        let seen = unsafe { read((&raw const new).cast::<abi::Component>()) }.unwrap();
        assert_eq!(seen.role, abi::TARGET);
        assert_eq!(seen.schema.len, 2);
    }

    #[test]
    fn a_pointer_that_the_size_cuts_counts_as_null() {
        let text = abi::Str::new("x");
        let (size, len) = (offset_of!(abi::Info, preprocessing) + 4, 1);
        let whole = abi::Info {
            size: size as u32,
            classes: 2,
            flags: 0,
            name: text,
            image: [0; 3],
            blocks_len: 0,
            blocks: std::ptr::null(),
            preprocessing: text,
            class_names: std::ptr::null(),
            class_names_len: 0,
            files_len: len,
            files: &raw const text,
        };
        // SAFETY: the table has more bytes than it states.
        let seen = unsafe { read(&raw const whole) }.unwrap();
        assert!(seen.preprocessing.ptr.is_null() && seen.files.is_null() && seen.files_len == 0);
        assert_eq!((seen.classes, seen.name.len), (2, 1));
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let values = [1_i64, 2, 3];
        // SAFETY: the list has three values; the others are refused before they are read.
        unsafe {
            assert_eq!(list(values.as_ptr(), 3), Some(&values[..]));
            assert_eq!(list(std::ptr::null::<i64>(), 0), Some(&[][..]));
            assert_eq!(list(std::ptr::null::<i64>(), 1), None);
            assert_eq!(list(values.as_ptr().byte_add(1), 1), None);
            assert_eq!(list(values.as_ptr(), usize::MAX), None);
            assert_eq!(list(values.as_ptr(), isize::MAX as usize / 8 + 1), None);
        }
    }

    #[test]
    fn every_truncation_is_either_read_or_refused() {
        let whole = component(size_of::<abi::Component>());
        for size in 4..=size_of::<abi::Component>() {
            // The copy has `size` bytes and no more.
            let mut bytes = vec![0_u64; size.div_ceil(8)];
            // SAFETY: both sides have `size` bytes.
            unsafe {
                bytes.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping((&raw const whole).cast(), size);
                bytes.as_mut_ptr().cast::<u32>().write(size as u32);
            }
            // SAFETY: as many bytes as stated.
            let seen = unsafe { read(bytes.as_ptr().cast::<abi::Component>()) };
            assert_eq!(seen.is_ok(), size >= abi::Component::MINIMUM, "{size}");
        }
        // SAFETY: null is refused before it is read.
        assert_eq!(unsafe { read(std::ptr::null::<abi::Component>()) }.err(), Some(Unreadable::Pointer));
    }
}

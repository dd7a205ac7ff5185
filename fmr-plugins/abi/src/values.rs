//! What travels with a call: text, buffers, the error, the caller's wishes.

use core::ffi::c_void;

/// Borrowed UTF-8, not zero-terminated. A null pointer with length 0 is the empty text.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Str {
    /// First byte.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl Str {
    /// The empty text.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };

    /// Borrows a text; the result must not outlive it.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }
}

/// A buffer of the caller's that the callee writes text to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// First byte.
    pub ptr: *mut u8,
    /// Room in bytes.
    pub cap: usize,
    /// Bytes of the whole text, set by the callee; where it exceeds `cap`, only the first `cap` bytes are there.
    pub len: usize,
}

/// Where the callee explains a status other than [`crate::OK`].
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Error {
    /// Size of this structure in bytes.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// What is wrong and what would be right.
    pub message: Text,
    /// The key of the setting for [`crate::BAD_SETTING`], else what was asked; may stay empty.
    pub subject: Text,
}

/// Type of a buffer's elements, numbered as DLPack does.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DType {
    /// 0 for signed integers, 1 for unsigned ones, 2 for floating point.
    pub code: u8,
    /// Bits of one value.
    pub bits: u8,
    /// 1.
    pub lanes: u16,
}

impl DType {
    /// `float`.
    pub const F32: Self = Self { code: 2, bits: 32, lanes: 1 };
    /// `int64_t`.
    pub const I64: Self = Self { code: 0, bits: 64, lanes: 1 };
    /// `uint8_t`.
    pub const U8: Self = Self { code: 1, bits: 8, lanes: 1 };
}

/// A tensor of the host's, lent for one call. Inputs are read only; inputs and outputs never overlap.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// First element, aligned for the element type.
    pub data: *mut c_void,
    /// `ndim` lengths, slowest dimension first.
    pub shape: *const i64,
    /// `ndim` distances in elements. In version 1 the host always lays tensors out row by row without gaps.
    pub strides: *const i64,
    /// Number of dimensions.
    pub ndim: u32,
    /// Type of the elements.
    pub dtype: DType,
}

/// What accompanies every call that may take time or fail. Callbacks may be null, are valid until the call returns and
/// may be used from any thread.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Size of this structure in bytes.
    pub size: u32,
    /// Threads that the callee may keep busy; 0 leaves it to the callee. Always the same on a thread that calls.
    pub threads: u32,
    /// Source of all randomness.
    pub seed: u64,
    /// Where to explain a failure; never null.
    pub error: *mut Error,
    /// First argument of the callbacks.
    pub context: *mut c_void,
    /// Not 0 where the result is not wanted any more; long functions should ask now and then.
    pub cancelled: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
    /// Tells how far the call is.
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: u64, total: u64)>,
    /// Tells something, at a level such as [`crate::LEVEL_INFO`].
    pub log: Option<unsafe extern "C" fn(context: *mut c_void, level: u32, text: Str)>,
}

/// What a component may need to know of the run that it is made for.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// Size of this structure in bytes.
    pub size: u32,
    /// `[channels, height, width]` of the images of the run.
    pub image: [u32; 3],
    /// Folder that relative paths of the settings start from.
    pub base: Str,
    /// Device that computes unless the settings name another, e.g. `cpu`.
    pub device: Str,
    /// Seed of whatever the component draws when it is made.
    pub seed: u64,
}

/// A named part of a latent row.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Name, e.g. `z`.
    pub name: Str,
    /// `ndim` lengths, slowest dimension first.
    pub shape: *const i64,
    /// Number of dimensions.
    pub ndim: u32,
    /// Zero.
    pub reserved: u32,
}

/// The names of one class.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The name for people first, then identifiers such as a WordNet id.
    pub names: *const Str,
    /// Number of names, at least 1.
    pub len: usize,
}

/// A component that was made. Opaque to the host.
#[repr(C)]
#[derive(Debug)]
pub struct Instance {
    opaque: [u8; 0],
}

/// What one forward keeps for its pull-back. Opaque to the host.
#[repr(C)]
#[derive(Debug)]
pub struct Saved {
    opaque: [u8; 0],
}

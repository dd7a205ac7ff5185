//! The layout of every structure, as numbers that a C compiler can be held against.

use crate::*;

/// A field's C name and its offset in bytes.
pub type Field = (&'static str, usize);

/// A structure's C name, its size in bytes and its fields.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Name in the header.
    pub name: &'static str,
    /// `sizeof`.
    pub size: usize,
    /// Fields in order.
    pub fields: &'static [Field],
}

macro_rules! layouts {
    ($($type:ident as $name:literal { $($field:ident),* })*) => {
        /// The layout of every structure of the interface.
        pub fn layout() -> &'static [Layout] {
            // A pattern that names all fields: a forgotten one does not compile.
            $(const _: fn($type) = |$type { $($field: _),* }| ();)*
            const ALL: &[Layout] = &[$(Layout {
                name: $name,
                size: size_of::<$type>(),
                fields: &[$((stringify!($field), core::mem::offset_of!($type, $field))),*],
            }),*];
            ALL
        }
    };
}

layouts! {
    Str as "fmr_str" { ptr, len }
    Text as "fmr_text" { ptr, cap, len }
    Error as "fmr_error" { size, reserved, message, subject }
    DType as "fmr_dtype" { code, bits, lanes }
    View as "fmr_view" { data, shape, strides, ndim, dtype }
    Call as "fmr_call" { size, threads, seed, error, context, cancelled, progress, log }
    Site as "fmr_site" { size, image, base, device, seed }
    Block as "fmr_block" { name, shape, ndim, reserved }
    Names as "fmr_names" { names, len }
    Host as "fmr_host" { size, major, minor, version }
    Library as "fmr_library" {
        size, magic, major, minor, components_len, flags, name, version, components, live_handles
    }
    Component as "fmr_component" {
        size, role, name, create, destroy, info, forward, set_classes, pull_back, release, schema, check
    }
    Info as "fmr_info" {
        size, classes, flags, name, image, blocks_len, blocks, preprocessing, class_names, class_names_len, files_len,
        files
    }
}

macro_rules! constants {
    ($($name:ident as $c:literal),* $(,)?) => {
        /// Every number of the interface under its C name.
        pub fn constants() -> impl Iterator<Item = (&'static str, i128)> {
            [$(($c, $name as i128)),*].into_iter()
        }
    };
}

constants! {
    MAGIC as "FMR_MAGIC", MAJOR as "FMR_MAJOR", MINOR as "FMR_MINOR",
    OK as "FMR_OK", BAD_SETTING as "FMR_BAD_SETTING", UNSUPPORTED as "FMR_UNSUPPORTED", FAILED as "FMR_FAILED",
    PANICKED as "FMR_PANICKED", POISONED as "FMR_POISONED", CONSUMED as "FMR_CONSUMED",
    CANCELLED as "FMR_CANCELLED", BAD_CALL as "FMR_BAD_CALL", UNKNOWN_NAME as "FMR_UNKNOWN_NAME",
    GENERATOR as "FMR_GENERATOR", ORACLE as "FMR_ORACLE", TARGET as "FMR_TARGET", SCORER as "FMR_SCORER",
    ENCODE as "FMR_ENCODE", DECODE as "FMR_DECODE", JUDGE as "FMR_JUDGE", LOGITS as "FMR_LOGITS",
    SCORE as "FMR_SCORE", FINISH as "FMR_FINISH", QUANTIZE as "FMR_QUANTIZE",
    LOGITS_OF_PICTURES as "FMR_LOGITS_OF_PICTURES", JUDGE_PICTURES as "FMR_JUDGE_PICTURES",
    DIFFERENTIABLE as "FMR_DIFFERENTIABLE", DETERMINISTIC as "FMR_DETERMINISTIC",
    THREAD_SAFE as "FMR_THREAD_SAFE", BATCHED_PULL_BACK as "FMR_BATCHED_PULL_BACK",
    NEEDS_LABELS as "FMR_NEEDS_LABELS", FINISHES as "FMR_FINISHES", QUANTIZES as "FMR_QUANTIZES",
    PICTURES as "FMR_PICTURES",
    PANIC_ABORTS as "FMR_PANIC_ABORTS",
    LEVEL_ERROR as "FMR_LEVEL_ERROR", LEVEL_WARN as "FMR_LEVEL_WARN", LEVEL_INFO as "FMR_LEVEL_INFO",
    LEVEL_DEBUG as "FMR_LEVEL_DEBUG",
}

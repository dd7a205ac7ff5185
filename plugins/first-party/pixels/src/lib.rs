//! Pixels and corruptions as a dynamic library: `plugin = "pixels"` with `component = "pixels"` or `"corruption"` in place of
//! `kind`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    generator "pixels": fmr_pixels::PixelsSettings,
    generator "corruption": fmr_pixels::CorruptionSettings,
}

//! The generator of basic transformations as a dynamic library: `plugin = "transforms"` in place of `kind = "transforms"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    generator "transforms": fmr_transforms::TransformsSettings,
}

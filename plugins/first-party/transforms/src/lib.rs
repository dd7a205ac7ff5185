//! The generator of basic transformations, as a library that is loaded: `plugin = "transforms"` in place of `kind = "transforms"`.

/// The program's allocator is not the library's: memory never crosses the border, so each side brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    generator "transforms": fmr_transforms::TransformsSettings => |settings, site| {
        fmr_transforms::Transforms::from_settings(&settings, site)
    },
}

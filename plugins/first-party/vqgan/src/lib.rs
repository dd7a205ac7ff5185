//! The VQGAN generator, as a library that is loaded: `plugin = "vqgan"` in place of `kind = "vqgan"`.

/// The program's allocator is not the library's: memory never crosses the border, so each side brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    generator "vqgan": fmr_vqgan::VqganSettings => |settings, site| fmr_vqgan::Vqgan::from_settings(&settings, site),
}

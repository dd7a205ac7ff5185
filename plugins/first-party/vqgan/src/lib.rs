//! The VQGAN generator as a dynamic library: `plugin = "vqgan"` in place of `kind = "vqgan"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    generator "vqgan": fmr_vqgan::VqganSettings,
}

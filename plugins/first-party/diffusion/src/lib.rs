//! The diffusion generators as a dynamic library: `plugin = "diffusion"` in place of `kind = "diffusion"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    generator "diffusion": fmr_diffusion::DiffusionSettings,
}

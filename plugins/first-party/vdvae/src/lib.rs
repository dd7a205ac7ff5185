//! The VDVAE generator as a dynamic library: `plugin = "vdvae"` in place of `kind = "vdvae"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    generator "vdvae": fmr_vdvae::VdvaeSettings,
}

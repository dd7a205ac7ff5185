//! The StyleGAN generator as a dynamic library: `plugin = "stylegan"` in place of `kind = "stylegan"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    generator "stylegan": fmr_stylegan::StyleganSettings,
}

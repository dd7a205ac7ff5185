//! CLIP as oracle and as zero-shot target, as a dynamic library: `plugin = "clip"` in place of `kind = "clip"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    oracle "clip": fmr_clip::ClipSettings,
    target "clip": fmr_clip::ClipTargetSettings,
}

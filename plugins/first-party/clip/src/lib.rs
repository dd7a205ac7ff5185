//! The CLIP oracle, as a library that is loaded: `plugin = "clip"` in place of `kind = "clip"`.

/// The program's allocator is not the library's: memory never crosses the border, so each side brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    oracle "clip": fmr_clip::ClipSettings => |settings, site| fmr_clip::ClipOracle::from_settings(&settings, site),
}

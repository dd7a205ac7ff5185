//! The classifiers of the paper as a dynamic library: `plugin = "zoo"` in place of `kind = "zoo"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    target "zoo": fmr_zoo::ClassifierSettings,
}

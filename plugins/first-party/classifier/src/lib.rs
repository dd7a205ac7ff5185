//! The classifier oracle as a dynamic library: `plugin = "classifier"` in place of `kind = "classifier"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    // The judge is one of the zoo's: a plugin makes components of its own registry, not of the program's.
    parts: fmr_zoo::register,
    oracle "classifier": fmr_classifier_oracle::ClassifierOracleSettings,
}

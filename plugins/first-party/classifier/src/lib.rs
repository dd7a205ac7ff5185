//! The oracle that is a classifier, as a library that is loaded: `plugin = "classifier"` in place of `kind = "classifier"`.

/// The program's allocator is not the library's: memory never crosses the border, so each side brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    oracle "classifier": fmr_classifier_oracle::ClassifierOracleSettings => |settings, site| {
        fmr_classifier_oracle::ClassifierOracle::from_settings(&settings, site)
    },
}

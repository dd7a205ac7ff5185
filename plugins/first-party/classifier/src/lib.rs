//! The classifier oracle as a dynamic library: `plugin = "classifier"` in place of `kind = "classifier"`.

/// Memory never crosses the border, so each side brings its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    oracle "classifier": fmr_classifier_oracle::ClassifierOracleSettings => |settings, context| {
        // The judge is one of the zoo's: a plugin makes components of its own registry, not of the program's.
        let mut registry = fmr_core::registry::Registry::default();
        fmr_zoo::register(&mut registry);
        fmr_classifier_oracle::ClassifierOracle::from_settings(&settings, &context.with_registry(&registry))
    },
}

//! The classifiers of the paper, as a library that is loaded: `plugin = "zoo"` in place of `kind = "zoo"`.

/// The program's allocator is not the library's: memory never crosses the border, so each side brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fmr_plugins::export! {
    before: fmr_nn::lane::stay_within_budget,
    target "zoo": fmr_zoo::ClassifierSettings => |settings, site| fmr_zoo::Classifier::from_settings(&settings, site),
}

//! Figure 4 of the paper, more images made for hardened models, small and offline: `cargo run --release --example figure4`.
//!
//! `-- --quick` takes a few images. The run's folder holds `side-by-side-CIFAR-10.png`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/figure4.toml").as_ref())
}

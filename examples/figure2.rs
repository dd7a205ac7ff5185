//! Figure 2 of the paper, images made for hardened models, small and offline: `cargo run --release --example figure2`.
//!
//! `-- --quick` takes a few images. The run's folder holds `side-by-side-CIFAR-10.png`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/figure2.toml").as_ref())
}

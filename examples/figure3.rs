//! Figure 3 of the paper, images made for a plain and for a greyscale model, small and offline: `cargo run --release --example figure3`.
//!
//! `-- --quick` takes a few images. The run's folder holds `side-by-side-CIFAR-10.png`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/figure3.toml").as_ref())
}

//! Table 12 of the paper, run time with and without the sparse mask, small and offline: `cargo run --release --example table12`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images: half to learn the mask from, half to evaluate.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table12.toml").as_ref())
}

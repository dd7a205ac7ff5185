//! Table 11 of the paper, the sparse mask on each data set, small and offline: `cargo run --release --example table11`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images: half to learn the mask from, half to evaluate.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table11.toml").as_ref())
}

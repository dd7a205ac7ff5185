//! Table 8 of the paper, a plain and a PGD-trained model, small and offline: `cargo run --release --example table8`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table8.toml").as_ref())
}

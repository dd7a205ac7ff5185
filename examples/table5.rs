//! Table 5 of the paper, Swin transformers with different numbers of heads, small and offline: `cargo run --release --example table5`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table5.toml").as_ref())
}

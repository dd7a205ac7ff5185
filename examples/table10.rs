//! Table 10 of the paper, a plain and a greyscale model, small and offline: `cargo run --release --example table10`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table10.toml").as_ref())
}

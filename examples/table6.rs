//! Table 6 of the paper, images made for one model and shown to eight others, small and offline: `cargo run --release --example table6`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table6.toml").as_ref())
}

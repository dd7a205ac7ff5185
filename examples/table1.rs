//! Table 1 of the paper, small and offline: `cargo run --release --example table1`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images, `-- --strong` larger steps.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table1.toml").as_ref())
}

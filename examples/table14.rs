//! Table 14 of the paper, class by class at step size 0.001, small and offline: `cargo run --release --example table14`.
//!
//! `-- --quick` takes a few images, `-- --full` more than the default.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table14.toml").as_ref())
}

//! Table 13 of the paper, class by class at step size 0.1, small and offline: `cargo run --release --example table13`.
//!
//! `-- --quick` takes a few images, `-- --full` more than the default.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table13.toml").as_ref())
}

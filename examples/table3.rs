//! Table 3 of the paper, the same targets under five generators, small and offline: `cargo run --release --example table3`.
//!
//! `-- --quick` takes a few images, `-- --full` 200 of each data set.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table3.toml").as_ref())
}

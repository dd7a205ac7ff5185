//! Table 7 of the paper, starting from FGSM examples, small and offline: `cargo run --release --example table7`.
//!
//! `-- --quick` takes a few images, `-- --full` more than the default.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table7.toml").as_ref())
}

//! Table 9 of the paper, a plain model and one trained with a static perturbed copy, small and offline: `cargo run --release --example table9`.
//!
//! `-- --quick` takes a few images, `-- --full` all embedded images.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table9.toml").as_ref())
}

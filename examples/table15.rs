//! Table 15 of the paper, an attack in pixels that aims at a class, on CLIP and on a classifier, small and offline: `cargo run --release --example table15`.
//!
//! `-- --quick` takes a few images, `-- --full` more than the default.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table15.toml").as_ref())
}

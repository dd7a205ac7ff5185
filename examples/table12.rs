//! Table 12 of the paper, run time with the sparse mask and without, small and offline: `cargo run --release --example table12`.
//!
//! `-- --quick` takes a few images, `-- --full` all that are embedded: half to learn the mask from, half to evaluate.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table("table12")
}

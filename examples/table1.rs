//! Table 1 of the paper, small and offline: `cargo run --release --example table1`.
//!
//! `-- --quick` takes a few images, `-- --full` all that are embedded, `-- --strong` larger steps.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fmr_cli::table("table1")
}

//! Table 1 of the paper, small and offline: `cargo run --release --example table1`.
//!
//! `-- --quick` takes a few images, `-- --full` all that are embedded, `-- --strong` larger steps.

use fmr::core::config::Changes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> miette::Result<()> {
    let profile = std::env::args().nth(1).map(|argument| argument.trim_start_matches("--").to_owned());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/table1.toml");
    let finished = fmr::run_file(file, &Changes { profile, ..Changes::default() })?;
    println!("{finished}");
    Ok(())
}

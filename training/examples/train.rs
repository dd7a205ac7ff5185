//! `cargo run --release -p fmr-train --example train -- RECIPE.toml`

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = std::env::args().nth(1).ok_or("usage: train RECIPE.toml")?;
    fmr_train::train(recipe.as_ref())?;
    Ok(())
}

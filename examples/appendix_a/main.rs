//! Appendix A of the paper, checked: `cargo run --release --example appendix_a`, with `-- --quick` for fewer draws.
//!
//! The paper compares an estimator of a distribution's mean and covariance from one data set with one that pools several
//! data sets, as a foundation model's training data do. The first table holds closed forms against a simulation, the second
//! every claim of the appendix against both. Draws are the same on every machine.

mod claims;
mod errors;
mod moments;
mod simulate;
#[cfg(test)]
mod tests;

use fmr::report::Report;

use claims::claims;
use simulate::scenarios;

/// Draws of all data sets; a tenth of it with `--quick`.
const DRAWS: usize = 400_000;
const SEED: u64 = 20_240_507;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let draws = if quick { DRAWS / 10 } else { DRAWS };
    let report = Report {
        title: "Appendix A: estimators from one data set and from several".to_owned(),
        grids: vec![scenarios(draws, SEED), claims(draws, SEED)],
        ..Report::default()
    };
    println!("{}", report.to_tables(150));
}

//! Parity with StyleGAN-XL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod inversion;
mod network;
mod ops;
mod support;

use fmr_golden::{Case, Report};

#[test]
fn golden_cases_match() {
    if let Some(folder) = fmr_golden::folder("stylegan") {
        fmr_golden::compare(&folder, case);
    }
}

fn case(case: &Case) -> Result<Vec<Report<'_>>, String> {
    let report = match case.text("checkpoint") {
        None => ops::compare(case),
        Some(_) if case.number("hyper.num_steps").is_some() => inversion::compare(case),
        Some(_) => network::compare(case),
    };
    Ok(vec![report])
}

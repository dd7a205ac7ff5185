//! Parity with guided-diffusion, improved-diffusion and MMGeneration.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod chains;
mod network;
mod steps;
mod support;
mod tables;

use fmr_golden::{Case, Report};

#[test]
fn golden_cases_match() {
    if let Some(folder) = fmr_golden::folder("diffusion") {
        fmr_golden::compare(&folder, case);
    }
}

fn case(case: &Case) -> Result<Vec<Report<'_>>, String> {
    let report = match (case.text("model.checkpoint"), case.text("model.pool")) {
        (None, _) => tables::compare(case),
        (Some(_), Some("attention")) => network::classifier(case),
        (Some(_), Some(pool)) => return Err(format!("classifiers with the pool {pool:?} are not published")),
        (Some(_), None) if case.text("model.type") == Some("DenoisingUnet") => network::mmgeneration(case),
        (Some(_), None) => {
            let mut report = case.sheet().report();
            let net = network::unet(case, &mut report);
            steps::compare(case, &net, &mut report);
            chains::compare(case, &net, &mut report);
            report
        }
    };
    Ok(vec![report])
}

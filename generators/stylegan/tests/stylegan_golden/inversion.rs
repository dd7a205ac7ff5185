//! The search for a latent.

use burn::tensor::Tensor;
use fmr_golden::{Case, Report};
use fmr_nn::device::test_device;
use fmr_nn::probe::Probe;
use fmr_stylegan::{Objective, Perceptor, Schedule, open};

use crate::support::{chosen, classes, tensor, values};

pub(crate) fn compare(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let opened = open(&case.path(case.text("checkpoint").unwrap()), chosen(case), &test_device()).unwrap();
    let z = tensor::<2>(io, "input.z_samples");
    let classes = classes(io, "input.classes", z.dims()[0]);
    let start = opened.network.mapping.forward(z, &classes, &mut Probe::off()).mean_dim(0);
    report.floats("output.w_start", &values(start.clone()));

    let number = |name: &str| case.number(&format!("hyper.{name}")).unwrap();
    let schedule = Schedule {
        steps: number("num_steps") as usize,
        rate: number("initial_learning_rate"),
        rise: number("lr_rampup_length"),
        fall: number("lr_rampdown_length"),
    };
    let target: Tensor<4> = tensor(io, "input.target");
    let start = start.repeat_dim(0, target.dims()[0]);
    let objective = Objective {
        synthesis: &opened.network.synthesis,
        perceptor: Perceptor::Pixel,
        target: target / 255.0,
        rows: opened.config.num_ws(),
        unity: 0.0,
    };
    let (mut rates, mut losses, mut gradients, mut latents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let found = objective.descend(start, &schedule, |step| {
        assert_eq!(step.number, rates.len());
        rates.push(step.rate as f32);
        losses.extend_from_slice(step.losses);
        gradients.extend(values(step.gradient.clone()));
        latents.extend(values(step.latents.clone()));
        Ok(())
    });
    report.floats("output.lr", &rates);
    report.floats("output.loss", &losses);
    report.floats("grad.w", &gradients);
    report.floats("output.w", &latents);
    // The best latent is at least as good as all that were seen.
    let best = found.unwrap().losses[0];
    assert!(losses.iter().all(|loss| best <= *loss), "{}: {best}", case.name());
    report
}

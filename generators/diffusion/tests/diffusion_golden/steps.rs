//! Single steps of the samplers, each sample at a step of its own.

use fmr_diffusion::Unet;
use fmr_golden::{Case, Report};

use crate::support::{Model, indices, map, offer_times, pull, respaced, tensor, values};

pub(crate) fn compare(case: &Case, net: &Unet, report: &mut Report<'_>) {
    let io = case.sheet();
    let Some(process) = respaced(case, "diffusion.step_respacing").filter(|_| io.get("input.step.x").is_some()) else {
        return;
    };
    let model = Model { net, classes: indices(io, "input.step.y") };
    let [x, x0, noise] = ["x", "x0", "noise"].map(|name| tensor::<4>(io, &format!("input.step.{name}")));
    let t = indices(io, "input.step.t").unwrap();
    let times = process.network_times(&t);
    report.ints("output.step.timestep_map", &map(&process));
    offer_times(report, io, "output.step.cond_t", &times);

    let mut offer = |name: &str, found: Vec<f32>| report.floats(&format!("output.step.{name}"), &found);
    let per_sample = |value: &dyn Fn(usize) -> f64| t.iter().map(|i| value(*i) as f32).collect::<Vec<f32>>();
    offer("q_sample", values(process.q_sample(x0.clone(), &t, noise.clone())));
    offer("q_mean", values(process.q_mean(x0.clone(), &t)));
    offer("q_logvar", process.q_log_variance(&t));
    offer("q_post_mean", values(process.posterior_mean(x0, x.clone(), &t)));
    offer("q_post_var", per_sample(&|i| process.tables().posterior_variance[i]));
    offer("q_post_logvar", per_sample(&|i| process.tables().posterior_log_variance_clipped[i]));

    let output = model.output(x.clone(), &times);
    let predict = |clamp| process.predict(&x, &t, output.clone(), clamp);
    for (name, prediction) in [("pmv_clip", predict(true)), ("pmv_noclip", predict(false))] {
        offer(&format!("{name}.mean"), values(prediction.mean));
        offer(&format!("{name}.variance"), values(prediction.variance));
        offer(&format!("{name}.log_variance"), values(prediction.log_variance));
        offer(&format!("{name}.pred_xstart"), values(prediction.x_start));
    }
    offer("p_sample", values(process.ancestral(predict(true), &t, noise.clone())));
    for (name, clamp) in [("ddim_reverse", true), ("ddim_reverse_noclip", false)] {
        offer(name, values(process.ddim_reverse(x.clone(), &t, predict(clamp))));
    }
    if io.get("input.step.cond_grad").is_some() {
        let gradient = tensor::<4>(io, "input.step.cond_grad");
        let by_mean = process.guide_mean(predict(true), gradient.clone());
        offer("cond_mean", values(by_mean.mean.clone()));
        offer("p_sample_guided", values(process.ancestral(by_mean, &t, noise.clone())));
        let by_score = process.guide_score(predict(true), &x, &t, gradient);
        offer("cond_score.pred_xstart", values(by_score.x_start.clone()));
        offer("cond_score.mean", values(by_score.mean.clone()));
        offer("ddim_guided", values(process.ddim(x.clone(), &t, by_score, 0.0, None)));
    }
    // `ddim_eta07` is η = 0.7: the digits with the point after the first.
    for name in report.open().filter_map(|name| name.strip_prefix("output.step.ddim_eta")).collect::<Vec<_>>() {
        let (digits, clamp) = name.strip_suffix("_noclip").map_or((name, true), |digits| (digits, false));
        let (whole, rest) = digits.split_at(1);
        let eta = format!("{whole}.{rest}0").parse().unwrap();
        let found = process.ddim(x.clone(), &t, predict(clamp), eta, Some(noise.clone()));
        report.floats(&format!("output.step.ddim_eta{name}"), &values(found));
    }
    let probe = || tensor::<4>(io, "probe.step");
    let mean = |clamp| {
        let (model, process, t, times) = (&model, &process, &t, &times);
        move |x: burn::tensor::Tensor<4>| {
            let output = model.output(x.clone(), times);
            process.predict(&x, t, output, clamp)
        }
    };
    report.floats("grad.step.pred_xstart", &pull(x.clone(), probe(), |x| mean(false)(x).x_start));
    report.floats("grad.step.mean", &pull(x.clone(), probe(), |x| mean(true)(x).mean));
}

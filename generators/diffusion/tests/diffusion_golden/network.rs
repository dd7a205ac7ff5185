//! Networks: activations, outputs, gradients.

use burn::tensor::{Tensor, activation};
use fmr_diffusion::{
    AttentionOrder, ChannelOrder, ClassifierConfig, ConfigFrom, Flags, Heads, Process, Resampling, Respacing, Unet,
    UnetConfig, open, open_classifier,
};
use fmr_golden::{Case, Report};
use fmr_nn::device::test_device;
use fmr_nn::probe::Probe;
use fmr_nn::weights::Chosen;

use crate::support::{Model, Seen, count, flag, indices, pull, tensor, times, training, values};

/// The names of hyper-parameters in a code base.
struct Names {
    channels: &'static str,
    multipliers: &'static str,
    blocks: &'static str,
}

const OPENAI: Names =
    Names { channels: "model.model_channels", multipliers: "model.channel_mult", blocks: "model.num_res_blocks" };
const MMGENERATION: Names = Names {
    channels: "model.base_channels",
    multipliers: "model.channels_cfg",
    blocks: "model.resblocks_per_downsample",
};

fn config(case: &Case, names: &Names, factors: &[usize]) -> UnetConfig {
    let model_channels = count(case, names.channels).unwrap();
    let widths: Vec<usize> =
        case.numbers(names.multipliers).iter().map(|m| (m * model_channels as f64) as usize).collect();
    let convolutions = case.value("model.conv_resample").and_then(|v| v.as_bool()).unwrap_or(true);
    let resampling = match (flag(case, "model.resblock_updown"), convolutions) {
        (true, _) => Resampling::Residual,
        (false, true) => Resampling::Convolution,
        (false, false) => Resampling::Plain,
    };
    let in_channels = count(case, "model.in_channels").unwrap();
    UnetConfig {
        in_channels,
        out_channels: count(case, "model.out_channels").unwrap_or(2 * in_channels),
        model_channels,
        blocks: count(case, names.blocks).unwrap(),
        attention: (0..widths.len()).map(|level| factors.contains(&(1 << level))).collect(),
        widths,
        heads: heads(case),
        decoder_heads: count(case, "model.num_heads_upsample"),
        attention_order: order(case),
        scale_shift_norm: flag(case, "model.use_scale_shift_norm"),
        resampling,
        classes: count(case, "model.num_classes"),
    }
}

fn heads(case: &Case) -> Heads {
    match count(case, "model.num_head_channels") {
        Some(channels) => Heads::Channels(channels),
        None => Heads::Count(count(case, "model.num_heads").unwrap_or(1)),
    }
}

fn order(case: &Case) -> AttentionOrder {
    if flag(case, "model.use_new_attention_order") { AttentionOrder::New } else { AttentionOrder::Legacy }
}

/// What the weights of the case do not tell.
fn flags(case: &Case) -> Flags {
    let training = training(case);
    Flags {
        image_size: count(case, "model.image_size").unwrap_or(1),
        heads: heads(case),
        decoder_heads: count(case, "model.num_heads_upsample"),
        attention_order: order(case),
        noise_schedule: training.noise_schedule,
        diffusion_steps: training.diffusion_steps,
        rescale_timesteps: training.rescale_timesteps,
        fixed_variance: training.fixed_variance,
    }
}

fn factors(case: &Case) -> Vec<usize> {
    case.numbers("model.attention_resolutions").iter().map(|n| *n as usize).collect()
}

/// Loads the network of a case; what its shapes tell must be what the case says.
fn load(case: &Case, flags: &Flags, expected: &UnetConfig) -> (Unet, ChannelOrder) {
    let path = case.path(case.text("model.checkpoint").unwrap());
    let opened = open(&path, Chosen::default(), ConfigFrom::Flags(flags), &test_device()).unwrap();
    let mut expected = expected.clone();
    // One level has no resampling that would leave a trace.
    if expected.widths.len() == 1 {
        expected.resampling = opened.config.unet.resampling;
    }
    assert_eq!(opened.config.unet, expected, "{}: the network told from shapes", case.name());
    (opened.net, opened.config.channel_order)
}

/// A UNet of OpenAI's.
pub(crate) fn unet(case: &Case, report: &mut Report<'_>) -> Unet {
    let io = case.sheet();
    let (net, _) = load(case, &flags(case), &config(case, &OPENAI, &factors(case)));
    let model = Model { net: &net, classes: indices(io, "input.unet.y") };
    let t = times(io, "input.unet.t");
    network(case, &model, "input.unet.x", &t, report, |name| match name {
        "timestep_embedding" => "mid.temb".to_owned(),
        "time_embed" => "mid.emb".to_owned(),
        other => format!("mid.{other}"),
    });
    if io.get("input.rect.x").is_some() {
        let first = Model { net: &net, classes: model.classes.as_ref().map(|classes| classes[..1].to_vec()) };
        let x = tensor(io, "input.rect.x");
        report.floats("output.rect", &values(first.output(x.clone(), &t[..1])));
        report.floats("grad.rect.x", &pull(x, tensor::<4>(io, "probe.rect"), |x| first.output(x, &t[..1])));
    }
    if report.wants("output.unet_new_order") {
        let attention_order = AttentionOrder::New;
        let other = UnetConfig { attention_order, ..config(case, &OPENAI, &factors(case)) };
        let (net, _) = load(case, &Flags { attention_order, ..flags(case) }, &other);
        let model = Model { net: &net, classes: model.classes };
        let x = tensor(io, "input.unet.x");
        report.floats("output.unet_new_order", &values(model.output(x.clone(), &t)));
        let gradient = pull(x, tensor::<4>(io, "probe.unet"), |x| model.output(x, &t));
        report.floats("grad.unet_new_order.x", &gradient);
    }
    net
}

/// Activations, output and gradient at `x`.
fn network(case: &Case, model: &Model<'_>, x: &str, t: &[f32], report: &mut Report<'_>, name: impl Fn(&str) -> String) {
    let io = case.sheet();
    let x = tensor::<4>(io, x);
    let mut seen = Seen::default();
    let mut view = |name: &str, shape: &[usize], values: &[f32]| seen.note(name, shape, values);
    let output = model.net.forward_probed(x.clone(), t, model.classes.as_deref(), &mut Probe::to(&mut view));
    seen.offer(report, io, name);
    report.floats("output.unet", &values(output));
    report.floats("grad.unet.x", &pull(x, tensor::<4>(io, "probe.unet"), |x| model.output(x, t)));
}

/// MMGeneration's container, names and ancestral step.
pub(crate) fn mmgeneration(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let size = count(case, "model.image_size").unwrap();
    let factors: Vec<usize> = case.numbers("model.attention_res").iter().map(|side| size / *side as usize).collect();
    let (net, channel_order) = load(case, &flags(case), &config(case, &MMGENERATION, &factors));
    assert_eq!(channel_order, ChannelOrder::Bgr);
    let steps = indices(io, "input.t").unwrap();
    let process = Process::new(training(case), &Respacing::All).unwrap();
    let t = process.network_times(&steps);
    let model = Model { net: &net, classes: indices(io, "input.y") };
    network(case, &model, "input.x", &t, &mut report, |name| {
        let known = [
            ("time_embed", "time_embedding"),
            ("input_blocks", "in_blocks"),
            ("middle_block", "mid_blocks"),
            ("output_blocks", "out_blocks"),
        ];
        let (from, to) = known.into_iter().find(|(from, _)| name.starts_with(from)).unwrap_or(("", ""));
        format!("mid.{}", name.replacen(from, to, 1))
    });
    let x = tensor::<4>(io, "input.x");
    let output = model.output(x.clone(), &t);
    let channels = x.dims()[1];
    let factor = (output.clone().narrow(1, channels, channels) + 1.0) / 2.0;
    report.floats("output.factor", &values(factor));
    let prediction = process.predict(&x, &steps, output, true);
    report.floats("output.pmv.var_pred", &values(prediction.variance.clone()));
    report.floats("output.pmv.logvar_pred", &values(prediction.log_variance.clone()));
    report.floats("output.pmv.mean_pred", &values(prediction.mean.clone()));
    report.floats("output.pmv.x_0_pred", &values(prediction.x_start.clone()));
    report.floats("output.ddpm_step", &values(process.ancestral(prediction, &steps, tensor(io, "input.noise"))));
    report
}

/// ADM's classifier of noisy images.
pub(crate) fn classifier(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let config = ClassifierConfig {
        unet: config(case, &OPENAI, &factors(case)),
        image_size: count(case, "model.image_size").unwrap(),
    };
    let path = case.path(case.text("model.checkpoint").unwrap());
    let net = open_classifier(&path, &config, &test_device()).unwrap();
    let (x, t, y) = (tensor::<4>(io, "input.x"), times(io, "input.t"), indices(io, "input.y").unwrap());
    let mut seen = Seen::default();
    let mut view = |name: &str, shape: &[usize], values: &[f32]| seen.note(name, shape, values);
    let logits = net.forward_probed(x.clone(), &t, &mut Probe::to(&mut view));
    seen.offer(&mut report, io, |name| format!("mid.{name}"));
    report.floats("output.log_probs", &values(activation::log_softmax(logits.clone(), 1)));
    report.floats("output.logits", &values(logits));
    let probe: Tensor<2> = tensor(io, "probe.logits");
    report.floats("grad.x", &pull(x.clone(), probe, |x| net.forward(x, &t)));
    // The scale stands in the description of the result alone.
    let described = case.value("tensors").and_then(|t| t.get("output.cond_grad")?.get("meaning")?.as_str());
    let scale = described.and_then(|text| {
        let digits = text.split_once("classifier_scale=")?.1;
        digits.split([':', ' ', ',']).next()?.parse::<f32>().ok()
    });
    report.floats("output.cond_grad", &values(net.guidance(x, &t, &y, scale.unwrap_or(1.0))));
    report
}

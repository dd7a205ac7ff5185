//! Memory of a gradient through many steps. The only test of its process: it reads the process's own peak.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use burn::tensor::Device;
use fmr_core::Generator;
use fmr_core::registry::MakeContext;
use fmr_diffusion::{CONFIG_ENTRY, Diffusion, DiffusionSettings, Encode, ModelConfig, Unet, published};
use fmr_nn::weights::{Builder, state_dict, write};
use ndarray::Array4;

/// Share by which ten times as many steps may raise the peak.
const MOST: f64 = 0.10;

/// Most memory that the process had since [`forget_peak`], in bytes; none where the system does not tell.
fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0)
}

fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

#[test]
fn peak_memory_does_not_grow_with_the_steps() {
    if !forget_peak() || peak().is_none() {
        println!("skipped: this system does not tell a process its peak");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("unet.safetensors");
    let mut config: ModelConfig = published()[0].config();
    config.unet.model_channels = 64;
    config.unet.widths = vec![64, 64, 128];
    config.unet.attention = vec![false, false, true];
    config.image_size = 64;
    let mut b = Builder::random_frozen(1, &Device::flex());
    let net = Unet::new(&mut b, &config.unet);
    let tensors = state_dict(&net, &b.finish(|_| false).unwrap());
    let metadata = [(CONFIG_ENTRY.to_owned(), serde_json::to_string(&config).unwrap())];
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let context = MakeContext::alone([3, 64, 64]);
    let image = Array4::from_shape_fn((1, 3, 64, 64), |(_, c, y, x)| ((c + y * x) % 17) as f32 / 17.0);
    let measure = |steps: usize, checkpoint_steps: bool| {
        let settings = DiffusionSettings {
            steps: Some(steps),
            encode: Some(Encode::Noise),
            checkpoint_steps,
            ..DiffusionSettings::new(&weights)
        };
        let generator = Diffusion::from_settings(&settings, &context).unwrap();
        let z = generator.encode(image.view(), &[0]).unwrap();
        assert!(forget_peak());
        let before = peak().unwrap();
        let (images, pull_back) = generator.decode_with_pullback(z.view(), &[0]).unwrap();
        let gradient = pull_back(images.view()).unwrap();
        assert!(gradient.iter().all(|v| v.is_finite()));
        (before, peak().unwrap())
    };
    // Once for what the first use of kernels allocates for good.
    measure(5, true);
    let ((start, few), (_, many), (_, taped)) = (measure(5, true), measure(50, true), measure(8, false));
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    println!(
        "peak: {:.1} MiB with 5 steps, {:.1} MiB with 50 ({:+.1} %), {:.1} MiB with the tapes of 8 kept; {:.1} MiB before",
        mib(few),
        mib(many),
        100.0 * (many / few - 1.0),
        mib(taped),
        mib(start),
    );
    assert!(many < few * (1.0 + MOST), "{many} bytes with 50 steps, {few} with 5");
    assert!(taped > few * 1.5, "a kept tape is the larger part of the peak, or this test measures nothing");
}

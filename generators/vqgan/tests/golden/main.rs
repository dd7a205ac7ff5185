//! Parity with taming-transformers, latent-diffusion and diffusers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod steps;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use fmr_golden::{Case, Report, Sheet};
use fmr_nn::bridge::Traced;
use fmr_nn::device::test_device;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{self, Builder};
use fmr_vqgan::{Autoencoder, Codebook, Commitment, Remap, SizesFrom, Unknown, largest, open, squared_distances};
use support::{margins, tensor, values};

#[test]
fn golden_cases_match() {
    if let Some(folder) = fmr_golden::folder("vqgan") {
        fmr_golden::compare(&folder, case);
    }
}

#[test]
fn excerpt_matches() {
    fmr_golden::compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/excerpt"), case);
}

fn case(case: &Case) -> Result<Vec<Report<'_>>, String> {
    let file = case.text("checkpoint.file").ok_or("it names no checkpoint")?;
    if !case.texts("checkpoint.keys").is_empty() {
        return Ok(vec![quantizer(case, &case.path(file))]);
    }
    let config = case.text("checkpoint.config").map(|name| case.path(name));
    let device = test_device();
    let opened =
        open(&case.path(file), config.as_deref().map_or(SizesFrom::Checkpoint, SizesFrom::File), &device).unwrap();
    // Without the file of sizes the same model must come out, but for groups, which leave no trace in the weights.
    if opened.sizes.groups == 32 {
        let alone = tempfile::tempdir().unwrap();
        let copy = alone.path().join(file);
        std::fs::copy(case.path(file), &copy).unwrap();
        assert_eq!(
            open(&copy, SizesFrom::Checkpoint, &device).unwrap().sizes,
            opened.sizes,
            "{}: sizes from shapes",
            case.name()
        );
    }

    let net = Model { net: opened.net, io: case.sheet() };
    let mut report = case.sheet().report();
    net.image_path(&mut report);
    net.latent_path(&mut report);
    if net.net.gumbel.is_some() {
        net.gumbel(&mut report, case.number("hyper.kl_weight").unwrap_or(1.0) as f32);
    }
    let image = tensor::<4>(case.sheet(), "input.image");
    let companions = case.companions().map(|sheet| steps::compare(&net.net, &image, sheet));
    Ok(std::iter::once(report).chain(companions).collect())
}

struct Model<'c> {
    net: Autoencoder,
    io: &'c Sheet,
}

impl Model<'_> {
    fn input(&self, name: &str) -> Option<Tensor<4>> {
        self.io.get(name).map(|_| tensor(self.io, name))
    }

    /// The quantiser of the image path: with the case's noise, where it has one.
    fn quantize(&self, z: Tensor<4>, noise: Option<&str>, temperature: f32) -> Tensor<4> {
        match &self.net.gumbel {
            Some(gumbel) => gumbel.quantize(&self.net.codebook, z, noise.and_then(|n| self.input(n)), temperature),
            None => self.net.codebook.quantize(z),
        }
    }

    fn indices(&self, z: &Tensor<4>, noise: Option<&str>) -> Vec<i64> {
        let found = match &self.net.gumbel {
            Some(gumbel) => {
                let logits = gumbel.logits(z.clone());
                largest(&noise.and_then(|n| self.input(n)).map_or(logits.clone(), |noise| logits + noise))
            }
            None => self.net.codebook.indices(z),
        };
        found.into_iter().map(|i| i as i64).collect()
    }

    fn image_path(&self, report: &mut Report<'_>) {
        let net = &self.net;
        let noise = Some("input.gumbel");
        let image = tensor::<4>(self.io, "input.image");
        let mut seen = BTreeMap::new();
        let mut view = |name: &str, shape: &[usize], values: &[f32]| {
            seen.insert(name.to_owned(), (shape.to_vec(), values.to_vec()));
        };
        let mut probe = Probe::to(&mut view);
        let h = net.hidden(image.clone(), &mut probe);
        let z_e = net.before_quantizer(h.clone());
        let z_q = self.quantize(z_e.clone(), noise, 1.0);
        let decoded = net.decode_probed(z_q.clone(), &mut probe);
        for (name, (shape, values)) in &seen {
            let map: usize = shape[2..].iter().product();
            report.floats(&format!("mid.{name}"), &values[..shape[1] * map]);
            let mean = |map: &[f32]| (map.iter().map(|v| f64::from(*v)).sum::<f64>() / map.len() as f64) as f32;
            report.floats(&format!("mid.{name}.chmean"), &values.chunks_exact(map).map(mean).collect::<Vec<_>>());
        }
        // diffusers calls the latents before quantisation "latents", and decoding always quantises.
        report.floats("output.h", &values(h));
        report.floats("output.z_e", &values(z_e.clone()));
        report.floats("output.latents", &values(z_e.clone()));
        report.floats("output.z_q", &values(z_q.clone()));
        report.floats("output.post_quant", &values(net.after_quantizer(z_q.clone())));
        report.floats("output.decoded", &values(decoded));
        report.floats("output.decoded_noq", &values(net.decode(z_e.clone())));
        let indices = self.indices(&z_e, noise);
        report.ints("output.indices", &indices);
        let rows: Vec<usize> = indices.iter().map(|i| *i as usize).collect();
        report.floats("output.codebook_entry", &values(net.codebook.lookup(&rows, z_e.dims())));
        if net.gumbel.is_none() {
            for name in ["output.emb_loss", "output.commit_loss"] {
                report.floats(name, &values(net.codebook.loss(z_e.clone(), 0.25, Commitment::Legacy)));
            }
            let (best, gaps) = margins(&net.codebook, &z_e);
            report.floats("mid.quantize.best_distance", &best);
            report.floats("mid.quantize.margin", &gaps);
            report.floats("mid.margin", &gaps);
            report.floats(
                "grad.emb_loss.z_e",
                &pull(
                    z_e.clone(),
                    |z| net.codebook.loss(z, 0.25, Commitment::Legacy),
                    Tensor::ones([1], &test_device()),
                ),
            );
        }
        let probe = |name: &str| tensor::<4>(self.io, name);
        let all = |x| net.decode(self.quantize(net.encode(x), noise, 1.0));
        report.floats("grad.decoded_st.image", &pull(image.clone(), all, probe("probe.decoded")));
        let decode = |z| net.decode(self.quantize(z, noise, 1.0));
        report.floats("grad.decoded_st.z_e", &pull(z_e.clone(), decode, probe("probe.decoded")));
        if self.io.get("probe.z_e").is_some() {
            report.floats("grad.z_e.image", &pull(image.clone(), |x| net.encode(x), probe("probe.z_e")));
        }
        report.floats("grad.decoded_noq.image", &pull(image, |x| net.decode(net.encode(x)), probe("probe.decoded")));
        if let Some(odd) = self.input("input.image_odd") {
            let z_e = net.encode(odd);
            report.floats("output.odd.z_e", &values(z_e.clone()));
            report.ints("output.odd.indices", &self.indices(&z_e, None));
            report.floats("output.odd.decoded", &values(net.decode(self.quantize(z_e, None, 1.0))));
        }
    }

    /// Everything that starts at `input.z`, but for the Gumbel variants.
    fn latent_path(&self, report: &mut Report<'_>) {
        let net = &self.net;
        let Some(z) = self.input("input.z") else { return };
        let probe = || self.input("probe.z_decoded").or_else(|| self.input("probe.decoded")).unwrap();
        report.floats("output.z.decoded_noq", &values(net.decode(z.clone())));
        report.floats("grad.decoded_noq.z", &pull(z.clone(), |z| net.decode(z), probe()));
        report.floats("output.z.clamped01", &clamped(&values(net.decode(z.clone()))));
        let decoded = values(net.decode(z.clone()));
        report.floats("grad.clamped01.decoded", &clamp_gradient(&decoded, &values(probe())));
        if net.gumbel.is_none() {
            report.ints("output.z.indices", &self.indices(&z, None));
            report.floats("output.z.z_q", &values(net.codebook.quantize(z.clone())));
            report.floats("output.z.emb_loss", &values(net.codebook.loss(z.clone(), 0.25, Commitment::Legacy)));
            report.floats("mid.z.margin", &margins(&net.codebook, &z).1);
            let decode = |z| net.decode(net.codebook.quantize(z));
            report.floats("output.z.decoded_st", &values(decode(z.clone())));
            report.floats("grad.decoded_st.z", &pull(z, decode, probe()));
        }
    }

    fn gumbel(&self, report: &mut Report<'_>, kl_weight: f32) {
        let net = &self.net;
        let gumbel = net.gumbel.as_ref().unwrap();
        let z_e = net.encode(tensor(self.io, "input.image"));
        let logits = gumbel.logits(z_e.clone());
        report.floats("output.logits", &values(logits.clone()));
        let divergence = |z| gumbel.divergence(z) * kl_weight;
        report.floats("output.kl_loss", &values(divergence(z_e.clone())));
        report.floats("grad.kl_loss.z_e", &pull(z_e, divergence, Tensor::ones([1], &test_device())));
        let noisy = values(logits + tensor::<4>(self.io, "input.gumbel"));
        let [_, k, h, w] = <[usize; 4]>::try_from(self.io.shape("input.gumbel")).unwrap();
        report.floats("mid.noisy_logit_margin", &support::two_largest(&noisy, k, h * w));

        let z = tensor::<4>(self.io, "input.z");
        let probe = || tensor::<4>(self.io, "probe.z_decoded");
        report.floats("output.z.softmax", &values(burn::tensor::activation::softmax(gumbel.logits(z.clone()), 1)));
        for name in report.open().filter_map(variant).collect::<std::collections::BTreeSet<_>>() {
            // `tau05` is temperature 0.5: the digits with the point after the first.
            let (noise, temperature) = match name.strip_prefix("tau") {
                Some(digits) => {
                    let (whole, rest) = digits.split_at(1);
                    (Some("input.z_gumbel"), format!("{whole}.{rest}0").parse::<f32>().unwrap())
                }
                None => (None, 1.0),
            };
            let choose = |z: Tensor<4>| match name {
                "nearest" => net.codebook.quantize(z),
                _ => self.quantize(z, noise, temperature),
            };
            let decode = |z| net.decode(choose(z));
            let indices = match name {
                "nearest" => net.codebook.indices(&z).into_iter().map(|i| i as i64).collect(),
                _ => self.indices(&z, noise),
            };
            report.ints(&format!("output.z.{name}.indices"), &indices);
            report.floats(&format!("output.z.{name}.z_q"), &values(choose(z.clone())));
            report.floats(&format!("output.z.{name}.decoded"), &values(decode(z.clone())));
            report.floats(&format!("grad.{name}.z"), &pull(z.clone(), decode, probe()));
        }
        report.floats("mid.z.nearest_margin", &margins(&net.codebook, &z).1);
    }
}

/// The variant of a quantiser that a tensor belongs to, by the names that the cases use.
fn variant(name: &str) -> Option<&str> {
    let name = name.strip_prefix("output.z.")?.strip_suffix(".decoded")?;
    let is_known = name.starts_with("tau") || ["zero_noise", "nearest"].contains(&name);
    is_known.then_some(name)
}

/// Gradient of ⟨f(x), cotangent⟩.
fn pull<const I: usize, const O: usize>(
    x: Tensor<I>,
    f: impl FnOnce(Tensor<I>) -> Tensor<O>,
    cotangent: Tensor<O>,
) -> Vec<f32> {
    values(Traced::new(x, f).pull_back(cotangent))
}

fn clamped(decoded: &[f32]) -> Vec<f32> {
    decoded.iter().map(|v| ((v + 1.0) / 2.0).clamp(0.0, 1.0)).collect()
}

/// The rule of VQGAN+CLIP for a minimised score: what would push a value further out is dropped.
fn clamp_gradient(decoded: &[f32], gradient: &[f32]) -> Vec<f32> {
    let pass = |(v, g): (&f32, &f32)| {
        let v = (v + 1.0) / 2.0;
        if g * (v - v.clamp(0.0, 1.0)) >= 0.0 { g / 2.0 } else { 0.0 }
    };
    decoded.iter().zip(gradient).map(pass).collect()
}

fn quantizer<'c>(case: &'c Case, file: &Path) -> Report<'c> {
    let io = case.sheet();
    let mut report = io.report();
    let device = test_device();
    let loaded = weights::read(file).unwrap();
    let shape: [usize; 2] = loaded.tensors["embedding.weight"].shape.clone().try_into().unwrap();
    let codebook = Codebook::new(&mut Builder::stored(loaded.tensors.clone(), &device), "embedding.weight", shape);
    let checkpoint = fmr_checkpoint::Checkpoint::open(file).unwrap();
    let used: Vec<usize> = checkpoint.tensor_i64("used").unwrap().1.into_iter().map(|i| i as usize).collect();
    let beta = case.number("hyper.beta").unwrap() as f32;
    let ints = |indices: &[usize]| indices.iter().map(|i| *i as i64).collect::<Vec<_>>();

    let z = tensor::<4>(io, "input.z");
    let indices = codebook.indices(&z);
    report.ints("output.indices_flat", &ints(&indices));
    report.ints("output.indices_sane", &ints(&indices));
    report.floats("output.z_q", &values(codebook.quantize(z.clone())));
    report.floats("grad.z_q.z", &pull(z.clone(), |z| codebook.quantize(z), tensor::<4>(io, "probe.z_q")));
    report.floats("mid.margin", &margins(&codebook, &z).1);
    let rows = values(codebook.rows());
    let [n, d, h, w] = z.dims();
    let columns = values(z.clone());
    let distances = columns.chunks_exact(d * h * w).flat_map(|z| squared_distances(&rows, z, d));
    report.floats("mid.distances", &distances.map(|v| v as f32).collect::<Vec<_>>());
    for (name, commitment) in [("loss_legacy", Commitment::Legacy), ("loss_fixed", Commitment::Fixed)] {
        report.floats(&format!("output.{name}"), &values(codebook.loss(z.clone(), beta, commitment)));
        let one = Tensor::<1>::ones([1], &device);
        report.floats(&format!("grad.{name}.z"), &pull(z.clone(), |z| codebook.loss(z, beta, commitment), one));
        let mut b = Builder::stored_trainable(loaded.tensors.clone(), &device.clone().autodiff());
        let trained = Codebook::new(&mut b, "embedding.weight", shape);
        let gradients = trained.loss(Tensor::from_inner(z.clone()), beta, commitment).backward();
        report.floats(&format!("grad.{name}.codebook"), &values(trained.rows().grad(&gradients).unwrap()));
    }
    for name in
        report.open().filter_map(|n| n.strip_prefix("output.remap_")?.strip_suffix(".indices")).collect::<Vec<_>>()
    {
        let unknown = match name.strip_prefix("int") {
            Some(index) => Unknown::Index(index.parse().unwrap()),
            None => Unknown::Extra,
        };
        let remap = Remap::new(used.clone(), unknown);
        let numbers = remap.to_used(&indices);
        report.ints(&format!("output.remap_{name}.indices"), &ints(&numbers));
        report.ints(&format!("output.remap_{name}.indices_sane"), &ints(&numbers));
        report.ints(&format!("output.remap_{name}.unmapped"), &ints(&remap.to_all(&numbers)));
        let entry = codebook.lookup(&remap.to_all(&numbers), [n, d, h, w]);
        report.floats(&format!("output.remap_{name}.entry"), &values(entry));
    }
    report.ints("output.ties.indices", &ints(&codebook.indices(&tensor(io, "input.z_ties"))));
    let far: [usize; 2] = io.shape("input.far.codebook").to_vec().try_into().unwrap();
    let mut far_codebook = codebook.clone();
    far_codebook.set_rows(Tensor::from_data(TensorData::new(io.floats("input.far.codebook").to_vec(), far), &device));
    let far_z = tensor::<4>(io, "input.far.z");
    report.ints("output.far.indices_f64", &ints(&far_codebook.indices(&far_z)));
    report.floats("mid.far.margin", &margins(&far_codebook, &far_z).1);
    report.informative("mid.far.indices_f32_reference");
    report
}

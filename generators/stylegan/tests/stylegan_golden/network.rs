//! Whole networks, and the containers that hold them.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;
use fmr_golden::{Case, Report, Sheet};
use fmr_nn::bridge::Traced;
use fmr_nn::device::test_device;
use fmr_nn::functional::Fir;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Chosen, state_dict};
use fmr_stylegan::{Network, Opened, Truncation, open, open_trainable};

use crate::support::{chosen, classes, gradients, tensor, values};

struct Model<'c> {
    network: Network,
    io: &'c Sheet,
    rows: usize,
    classes: Vec<usize>,
}

pub(crate) fn compare(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let opened = open(&case.path(case.text("checkpoint").unwrap()), chosen(case), &test_device()).unwrap();
    assert!(opened.network.synthesis.unplanned().is_empty(), "{}: {:?}", case.name(), opened.remarks);
    check_sizes(case, &opened);
    let classes = classes(io, "input.class", io.shape("input.z")[0]);
    let model = Model { rows: opened.config.num_ws(), network: opened.network, io, classes };
    model.activations(&mut report);
    model.images(&mut report);
    model.latent_gradients(&mut report);
    model.style_gradients(&mut report);
    model.parameter_gradients(case, &mut report);
    report
}

/// The sizes are those that the case states, and the converted file is the same network.
fn check_sizes(case: &Case, opened: &Opened) {
    let names: Vec<String> = opened.config.layers.iter().map(|layer| layer.name.clone()).collect();
    assert_eq!(names, case.texts("hyper.layer_names"), "{}", case.name());
    assert_eq!(Some(opened.config.num_ws() as f64), case.number("hyper.num_ws"), "{}", case.name());
    let Some(file) = case.text("converted") else { return };
    let converted = open(&case.path(file), Chosen::default(), &test_device()).unwrap();
    assert_eq!(converted.config, opened.config, "{}", case.name());
    let parameters = |opened: &Opened| state_dict(&opened.network, &opened.keys);
    let (ours, theirs) = (parameters(opened), parameters(&converted));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{}", case.name());
    for (name, stored) in &ours {
        let same = stored.values.iter().zip(&theirs[name].values).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && stored.shape == theirs[name].shape, "{}: {name}", case.name());
    }
}

/// The truncation that a name ends with: `psi07`, `psi05_cut3`.
fn truncation(name: &str) -> Option<Truncation> {
    let (digits, cut) = match name.split_once("psi")?.1.split_once("_cut") {
        Some((digits, cut)) => (digits, cut.parse().ok()),
        None => (name.split_once("psi")?.1, None),
    };
    let (whole, rest) = digits.split_at(1);
    Some(Truncation { psi: format!("{whole}.{rest}0").parse().unwrap(), cutoff: cut })
}

impl Model<'_> {
    fn z(&self) -> Tensor<2> {
        tensor(self.io, "input.z")
    }

    fn ws(&self) -> Tensor<3> {
        tensor(self.io, "input.ws")
    }

    fn probe(&self) -> Tensor<4> {
        tensor(self.io, "probe.image")
    }

    fn mapped(&self, network: &Network, z: Tensor<2>, truncation: Option<Truncation>) -> Tensor<3> {
        let w = network.mapping.forward(z, &self.classes, &mut Probe::off());
        network.mapping.rows(w, &self.classes, self.rows, truncation)
    }

    fn image(&self, ws: Tensor<3>) -> Tensor<4> {
        self.network.synthesis.forward(ws, &mut Probe::off())
    }

    /// Everything between layers.
    fn activations(&self, report: &mut Report<'_>) {
        let mut seen = BTreeMap::new();
        let mut view = |name: &str, shape: &[usize], values: &[f32]| {
            seen.insert(format!("mid.{name}"), (shape.to_vec(), values.to_vec()));
        };
        let mut probe = Probe::to(&mut view);
        self.network.mapping.forward(self.z(), &self.classes, &mut probe);
        self.network.synthesis.forward(self.ws(), &mut probe);
        for (name, (shape, values)) in seen {
            let Some(wanted) = self.io.get(&name) else { continue };
            let samples = wanted.shape[0];
            report.floats(&name, &values[..values.len() / shape[0] * samples]);
        }
        for (name, up, down) in self.network.synthesis.filters() {
            for (which, Fir::Separable(taps) | Fir::Full { taps, .. }) in [("up", up), ("down", down)] {
                let name = format!("mid.{name}.{which}_filter");
                if report.wants(&name) {
                    report.floats(&name, taps);
                }
            }
        }
    }

    fn images(&self, report: &mut Report<'_>) {
        let image = self.image(self.ws());
        report.floats("output.image", &values(image.clone()));
        report.floats("output.scalar", &[scalar(&image, &self.probe())]);
        let open: BTreeSet<&str> = report.open().collect();
        for name in open {
            let Some(truncation) = truncation(name) else { continue };
            let ws = self.mapped(&self.network, self.z(), Some(truncation));
            if name.starts_with("output.w_") {
                report.floats(name, &values(ws));
            } else if name.starts_with("output.image_") {
                report.floats(name, &values(self.image(ws)));
            } else if name.starts_with("output.scalar_") {
                report.floats(name, &[scalar(&self.image(ws), &self.probe())]);
            }
        }
        let mut moved = self.network.synthesis.clone();
        moved.set_transform(tensor(self.io, "input.transform"));
        report.floats("output.image_transform", &values(moved.forward(self.ws(), &mut Probe::off())));
    }

    fn latent_gradients(&self, report: &mut Report<'_>) {
        let traced = Traced::new(self.ws(), |ws| self.image(ws));
        report.floats("grad.ws", &values(traced.pull_back(self.probe())));
        let traced = Traced::new(self.z(), |z| self.image(self.mapped(&self.network, z, PSI07)));
        report.floats("grad.z", &values(traced.pull_back(self.probe())));
    }

    /// In the styles of each layer, and in what places the Fourier features.
    fn style_gradients(&self, report: &mut Report<'_>) {
        let synthesis = &self.network.synthesis;
        let leaves: Vec<Tensor<2>> =
            synthesis.styles(self.ws()).into_iter().map(|s| s.autodiff().require_grad()).collect();
        let image = synthesis.from_styles(leaves.clone(), &mut Probe::off());
        let gradients = (image * Tensor::from_inner(self.probe())).sum().backward();
        let layers = synthesis.filters().map(|(name, ..)| format!("grad.{name}.styles"));
        let names = std::iter::once("grad.synthesis.input.affine".to_owned()).chain(layers);
        for (name, leaf) in names.zip(leaves) {
            report.floats(&name, &values(leaf.grad(&gradients).unwrap()));
        }
    }

    fn parameter_gradients(&self, case: &Case, report: &mut Report<'_>) {
        let file = case.path(case.text("checkpoint").unwrap());
        let opened = open_trainable(&file, chosen(case), &test_device().autodiff()).unwrap();
        let probe = || Tensor::from_inner(self.probe());
        let ws = Tensor::from_inner(self.ws());
        let image = opened.network.synthesis.forward(ws, &mut Probe::off());
        let of_synthesis = gradients(opened.network.clone(), &opened.keys, &(image * probe()).sum().backward());
        let ws = self.mapped(&opened.network, Tensor::from_inner(self.z()), PSI07);
        let image = opened.network.synthesis.forward(ws, &mut Probe::off());
        let of_all = gradients(opened.network.clone(), &opened.keys, &(image * probe()).sum().backward());
        let open: Vec<&str> = report.open().collect();
        for name in open {
            let Some(parameter) = name.strip_prefix("grad.") else { continue };
            // Only the mapping's are of the image that starts from z.
            let source = if parameter.starts_with("mapping.") { &of_all } else { &of_synthesis };
            if let Some(gradient) = source.get(parameter) {
                report.floats(name, &gradient.values);
            }
        }
    }
}

const PSI07: Option<Truncation> = Some(Truncation { psi: 0.7, cutoff: None });

fn scalar(image: &Tensor<4>, probe: &Tensor<4>) -> f32 {
    let product = |(a, b): (f32, f32)| f64::from(a) * f64::from(b);
    values(image.clone()).into_iter().zip(values(probe.clone())).map(product).sum::<f64>() as f32
}

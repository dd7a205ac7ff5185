//! Operators alone, with their gradients.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use fmr_golden::{Case, Report, Sheet};
use fmr_nn::device::test_device;
use fmr_nn::functional::{Filtering, Fir, Sampling, filtered_leaky_relu, scale_planes, upfirdn2d};
use fmr_stylegan::{DenseSettings, Design, InputConfig, Modulated, Waves, WeightSums, fully_connected, mixed};
use toml::Value;

use crate::support::values;

/// One operator's case: its settings and its inputs, each a leaf of one tape.
struct Op<'c> {
    sheet: &'c Sheet,
    name: &'c str,
    settings: &'c Value,
    leaves: RefCell<BTreeMap<String, Tensor<1>>>,
}

pub(crate) fn compare(case: &Case) -> Report<'_> {
    let mut report = case.sheet().report();
    let Some(Value::Table(ops)) = case.value("ops") else { panic!("{}: it has no operators", case.name()) };
    for (name, settings) in ops {
        let op = Op { sheet: case.sheet(), name, settings, leaves: RefCell::default() };
        let kind = name.split('.').next().unwrap_or_default();
        let output = match kind {
            "upfirdn2d" => op.upfirdn2d(),
            "bias_act" => op.bias_act(),
            "filtered_lrelu" => op.filtered_lrelu(),
            "modulated_conv2d" => op.modulated_conv2d(),
            "fully_connected" => op.fully_connected(),
            "synthesis_input" => op.synthesis_input(),
            "design" => {
                op.design(&mut report);
                continue;
            }
            other => panic!("{}: the operator {other} is not known", case.name()),
        };
        op.offer(output, &mut report);
    }
    report
}

impl Op<'_> {
    fn input(&self, argument: &str) -> String {
        format!("input.{}.{argument}", self.name)
    }

    /// A leaf of this shape, if the case has it.
    fn leaf_as<const D: usize>(&self, argument: &str, shape: impl Fn(&[usize]) -> [usize; D]) -> Option<Tensor<D>> {
        let name = self.input(argument);
        self.sheet.get(&name)?;
        let values = self.sheet.floats(&name).to_vec();
        let flat = TensorData::new(values.clone(), [values.len()]);
        let leaf = Tensor::<1>::from_data(flat, &test_device()).autodiff().require_grad();
        self.leaves.borrow_mut().insert(argument.to_owned(), leaf.clone());
        Some(leaf.reshape(shape(self.sheet.shape(&name))))
    }

    fn leaf<const D: usize>(&self, argument: &str) -> Tensor<D> {
        self.leaf_as(argument, |shape| shape.try_into().unwrap()).unwrap()
    }

    fn number(&self, key: &str) -> Option<f64> {
        let value = self.settings.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    }

    fn flag(&self, key: &str) -> bool {
        self.settings.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whole numbers: one, or a list.
    fn whole(&self, key: &str) -> Vec<isize> {
        match self.settings.get(key) {
            Some(Value::Array(list)) => list.iter().map(|n| n.as_integer().unwrap() as isize).collect(),
            Some(one) => vec![one.as_integer().unwrap() as isize],
            None => panic!("{}: {key} is missing", self.name),
        }
    }

    /// A factor along rows and columns, from one number or x and y.
    fn factor(&self, key: &str) -> [usize; 2] {
        match self.whole(key)[..] {
            [both] => [both as usize; 2],
            [x, y] => [y as usize, x as usize],
            _ => panic!("{}: {key}", self.name),
        }
    }

    /// Above, below, left, right, from one number, x and y, or left, right, above, below.
    fn padding(&self) -> [isize; 4] {
        match self.whole("padding")[..] {
            [all] => [all; 4],
            [x, y] => [y, y, x, x],
            [left, right, above, below] => [above, below, left, right],
            _ => panic!("{}: padding", self.name),
        }
    }

    /// A filter as the case has it; flipped, it is applied as it stands.
    fn filter(&self, argument: &str) -> Fir {
        let name = self.input(argument);
        if self.sheet.get(&name).is_none() {
            return Fir::identity();
        }
        let taps = self.sheet.floats(&name).to_vec();
        let stored = match self.sheet.shape(&name) {
            [_, columns] => Fir::Full { taps, columns: *columns },
            _ => Fir::Separable(taps),
        };
        if self.flag("flip_filter") { stored.reversed() } else { stored }
    }

    fn upfirdn2d(&self) -> Tensor<1> {
        let sampling = Sampling { up: self.factor("up"), down: self.factor("down"), pad: self.padding() };
        let filter = self.filter("fir").reversed().scaled(self.number("gain").unwrap_or(1.0));
        flat(upfirdn2d(self.leaf("x"), &filter, &sampling))
    }

    fn bias_act(&self) -> Tensor<1> {
        let dim = self.number("dim").unwrap_or(1.0) as usize;
        let x = self.leaf_as("x", |shape| {
            let around = |sides: &[usize]| sides.iter().product::<usize>();
            [around(&shape[..dim]), shape[dim], around(&shape[dim + 1..]), 1]
        });
        let (slope, gain) = match self.settings.get("act").and_then(Value::as_str) {
            Some("linear") => (1.0, 1.0),
            Some("relu") => (0.0, 2.0_f64.sqrt()),
            Some("lrelu") => (self.number("alpha").unwrap_or(0.2), 2.0_f64.sqrt()),
            other => panic!("{}: the activation {other:?}", self.name),
        };
        let gain = self.number("gain").unwrap_or(gain) as f32;
        let clamp = self.number("clamp").filter(|most| *most >= 0.0).map(|most| most as f32);
        let rectifier = Arc::new(Filtering::none(slope as f32, gain, clamp));
        let bias = self.leaf_as("b", |shape| [shape[0]]);
        flat(filtered_leaky_relu(x.unwrap(), None, bias, &rectifier))
    }

    fn filtered_lrelu(&self) -> Tensor<1> {
        let filtering = Filtering {
            up_filter: self.filter("fir_up"),
            down_filter: self.filter("fir_down"),
            up: self.factor("up")[0],
            down: self.factor("down")[0],
            pad: self.padding(),
            gain: self.number("gain").unwrap() as f32,
            slope: self.number("slope").unwrap() as f32,
            clamp: self.number("clamp").map(|most| most as f32),
        };
        let bias = self.leaf_as("b", |shape| [shape[0]]);
        flat(filtered_leaky_relu(self.leaf("x"), None, bias, &Arc::new(filtering)))
    }

    fn modulated_conv2d(&self) -> Tensor<1> {
        let weight = self.leaf::<4>("w");
        let sums = self.flag("demodulate").then(|| WeightSums::new(&weight));
        let gain = self.leaf_as("input_gain", |shape| match shape {
            [n, i] => [*n, *i],
            _ => [1, shape.iter().product()],
        });
        let padding = self.whole("padding")[0] as usize;
        let convolution = Modulated { weight, sums: sums.as_ref(), gain, padding, reordered: None };
        let (y, outputs) = convolution.apply(self.leaf("x"), self.leaf("s"));
        flat(match outputs {
            Some(outputs) => scale_planes(y, outputs),
            None => y,
        })
    }

    fn fully_connected(&self) -> Tensor<1> {
        let settings = DenseSettings {
            weight_gain: self.number("weight_gain").unwrap(),
            bias_gain: self.number("bias_gain").unwrap(),
            rectified: self.settings.get("activation").and_then(Value::as_str) == Some("lrelu"),
        };
        let weight = self.leaf::<2>("weight").swap_dims(0, 1);
        let bias = self.leaf_as("bias", |shape| [shape[0]]);
        fully_connected(self.leaf("x"), weight, bias, settings).flatten(0, 1)
    }

    fn synthesis_input(&self) -> Tensor<1> {
        let size = self.whole("size_wh").iter().map(|side| *side as usize).collect::<Vec<_>>();
        let config = InputConfig {
            channels: self.number("channels").unwrap() as usize,
            size: size.try_into().unwrap(),
            sampling_rate: self.number("sampling_rate").unwrap(),
            bandwidth: self.number("bandwidth").unwrap(),
        };
        let w = self.leaf::<2>("w");
        let settings = DenseSettings::new(w.dims()[1], 1.0, false);
        let affine = self.leaf::<2>("affine_weight").swap_dims(0, 1);
        let t = fully_connected(w, affine, Some(self.leaf("affine_bias")), settings);
        let waves = Waves { freqs: self.leaf("freqs"), phases: self.leaf("phases"), transform: self.leaf("transform") };
        let weight = self.leaf_as("weight", |shape| [shape[0], shape[1], 1, 1]).unwrap();
        flat(mixed(waves.features(&t, &config), weight, None))
    }

    fn design(&self, report: &mut Report<'_>) {
        let number = |key: &str| self.number(key).unwrap();
        let design = Design {
            taps: number("numtaps") as usize,
            cutoff: number("cutoff"),
            width: number("width"),
            rate: number("fs"),
            radial: self.flag("radial"),
        };
        let name = format!("output.{}", self.name);
        match design.fir() {
            Some(Fir::Separable(taps) | Fir::Full { taps, .. }) => report.floats(&name, &taps),
            None => assert!(!report.wants(&name), "{name}: one tap is no filter"),
        }
    }

    /// Offers the output, and the gradients of ⟨output, probe⟩ in every input.
    fn offer(&self, output: Tensor<1>, report: &mut Report<'_>) {
        report.floats(&format!("output.{}", self.name), &values(output.clone()));
        let probe = self.sheet.floats(&format!("probe.{}", self.name)).to_vec();
        let probe = TensorData::new(probe.clone(), [probe.len()]);
        let probe = Tensor::from_inner(Tensor::<1>::from_data(probe, &test_device()));
        let gradients = (output.clone() * probe).sum().backward();
        for (argument, leaf) in self.leaves.borrow().iter() {
            let name = format!("grad.{}.{argument}", self.name);
            if report.wants(&name) {
                report.floats(&name, &values(leaf.grad(&gradients).unwrap()));
            }
        }
    }
}

fn flat(x: Tensor<4>) -> Tensor<1> {
    x.flatten(0, 3)
}

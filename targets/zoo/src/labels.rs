//! What the logits of a classifier stand for.

use fmr_core::imagenet_classes;
use serde::{Deserialize, Serialize};

/// A list of classes in label order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSet {
    /// The digits, as in MNIST.
    Digits,
    /// CIFAR-10's.
    Cifar10,
    /// The 1000 of ImageNet, sorted by WordNet id.
    Imagenet,
}

/// One class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Name for people; two classes of ImageNet may share one.
    pub name: &'static str,
    /// Identifier for files, e.g. a WordNet id; the name itself where there is no other.
    pub id: &'static str,
}

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

impl LabelSet {
    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Digits => "the digits in order",
            Self::Cifar10 => "CIFAR-10's in the order of its files",
            Self::Imagenet => "ImageNet's in the order of their WordNet ids",
        }
    }

    /// The classes in label order.
    pub fn labels(self) -> Vec<Label> {
        let plain = |names: [&'static str; 10]| names.map(|name| Label { name, id: name }).to_vec();
        match self {
            Self::Digits => plain(DIGITS),
            Self::Cifar10 => plain(CIFAR10),
            Self::Imagenet => imagenet_classes().map(|(id, name)| Label { name, id }).collect(),
        }
    }
}

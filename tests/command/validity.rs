//! Flags that a run raises of what only models and data together show.

use fmr_nn::device::device;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_zoo::{Network, entry};

use crate::support::Lab;

/// Photographs in colour, a published network, a surrogate for a judge.
const EXPERIMENT: &str = r#"name = "lab"
[data.photographs]
kind = "images"
path = "ASSETS/data/cifar10-test-1000.tar"
prefix = "cifar10/test"
limit = 40
balance = true
[targets.published]
kind = "zoo"
model = "cifar-resnet18"
weights = "random.safetensors"
[generators.transforms]
kind = "transforms"
[oracles.views]
kind = "classifier"
judge = { model = "cifar-resnet18-w16", weights = "ASSETS/weights/resnet18-w16.safetensors" }
[search]
budget = 1
step-size = 0.01
[[rows]]
data = "photographs"
target = "published"
"#;

#[test]
fn weights_that_are_not_the_published_ones_are_found_by_their_accuracy() {
    let lab = Lab::new();
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
    lab.write("lab.toml", &EXPERIMENT.replace("ASSETS", assets));
    let mut b = Builder::random_frozen(7, &device("cpu").unwrap());
    let network = Network::new(&mut b, &entry("cifar-resnet18").unwrap().architecture);
    let keys = b.finish(|_| false).unwrap();
    write(&lab.path("random.safetensors"), &state_dict(&network, &keys), false, &Default::default()).unwrap();
    let table = lab.succeed(&["run", "lab.toml", "--out", "out"]);
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains("far from the 93.0 % that are published for its weights"), "{table}");
    assert!(table.contains("The experiment does not say whose models these are"), "{table}");
}

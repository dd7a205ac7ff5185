//! Reads the fixtures of the sparse mask: their rows, stored or made by a recipe, and scikit-learn's solutions.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use toml::Table;

use super::recipe::Recipe;

/// One folder of fixtures.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) expected: Value,
    tensors: BTreeMap<String, Tensor>,
    pub(crate) latents: Array2<f32>,
    pub(crate) labels: Vec<bool>,
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// A stored array, widened to f64.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// The folder of golden fixtures, and whether it was named by hand.
pub(crate) fn golden() -> (PathBuf, bool) {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    let named = env::var_os("FMR_GOLDEN");
    (named.as_ref().map_or(PathBuf::from(default), PathBuf::from).join("sparse_mask"), named.is_some())
}

/// Every case of `folder`, in order of name.
pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let mut folders: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders.iter().filter(|f| f.join("case.toml").is_file()).map(|f| Case::read(f)).collect()
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let table: Table = text("case.toml").parse().unwrap();
        let tensors = read_tensors(&std::fs::read(folder.join("io.safetensors")).unwrap());
        let rows = |name: &str| tensors[name].values.iter().map(|&v| v as usize).collect::<Vec<_>>();
        let (latents, labels, train, test) = match tensors.get("input.latents") {
            Some(x) => {
                let values = x.values.iter().map(|&v| v as f32).collect();
                let latents = Array2::from_shape_vec((x.shape[0], x.shape[1]), values).unwrap();
                let labels = tensors["input.label"].values.iter().map(|&l| l > 0.5).collect();
                (latents, labels, rows("input.train"), rows("input.test"))
            }
            None => Recipe::read(table["input"].as_table().unwrap()).make(),
        };
        let expected = serde_json::from_str(&text("expected.json")).unwrap();
        Self { name: folder.display().to_string(), table, expected, tensors, latents, labels, train, test }
    }

    /// A stored array.
    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: no array {name}", self.name))
    }

    /// A number of the `tolerance` table.
    pub(crate) fn tolerance(&self, key: &str) -> f64 {
        self.table["tolerance"][key].as_float().unwrap()
    }

    /// The gap to solve to: the number before `(model)` in the case's sentence.
    pub(crate) fn gap(&self, model: &str) -> f64 {
        let sentence = self.table["tolerance"]["solve_to"].as_str().unwrap();
        let before = sentence.split(&format!(" ({model})")).next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Lists of fits, each with its name: single ones under `runs`, the others paths of falling penalty.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&String, &Vec<Value>)> {
        let lists = self.expected.as_object().unwrap().iter().filter_map(|(k, v)| Some((k, v.as_array()?)));
        lists.filter(|(_, list)| list.iter().all(|run| run.get("penalty").is_some()))
    }

    /// Weights of a fit by column.
    pub(crate) fn weights(&self, id: &str) -> BTreeMap<usize, f64> {
        let index = self.tensor(&format!("output.{id}.index")).values.iter().map(|&j| j as usize);
        index.zip(self.tensor(&format!("output.{id}.coef")).values.iter().copied()).collect()
    }

    /// Rows of latents.
    pub(crate) fn rows(&self, which: &[usize]) -> Vec<ArrayView1<'_, f32>> {
        which.iter().map(|&i| self.latents.row(i)).collect()
    }

    /// Labels of rows.
    pub(crate) fn labels(&self, which: &[usize]) -> Vec<bool> {
        which.iter().map(|&i| self.labels[i]).collect()
    }
}

fn read_tensors(bytes: &[u8]) -> BTreeMap<String, Tensor> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            Dtype::F64 => data.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::I64 => data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{name}: {other:?}"),
        };
        (name, Tensor { shape: view.shape().to_vec(), values })
    };
    file.tensors().into_iter().map(read).collect()
}

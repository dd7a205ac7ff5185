//! A case on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use toml::{Table, Value};

use crate::Report;

/// Values of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Floating-point values, as `f32` whatever the file holds.
    Float(Vec<f32>),
    /// Integers and truth values.
    Int(Vec<i64>),
}

/// A tensor of a fixture.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Values,
}

/// How far a result may be from a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// Not at all.
    Exact,
    /// |got − want| ≤ atol + rtol·|want| for every value.
    Each {
        /// Relative part.
        rtol: f64,
        /// Absolute part.
        atol: f64,
    },
    /// ‖got − want‖ / ‖want‖ ≤ this bound (networks with kinks: single values may jump).
    Norm(f64),
}

/// Tensors with their tolerances: one `.safetensors` file and the table that describes it.
#[derive(Debug)]
pub struct Sheet {
    name: String,
    tensors: BTreeMap<String, Tensor>,
    tolerances: BTreeMap<String, Tolerance>,
    table: Table,
}

/// A folder with a `case.toml`.
#[derive(Debug)]
pub struct Case {
    folder: PathBuf,
    sheet: Sheet,
    companions: BTreeMap<String, Sheet>,
}

impl Case {
    pub(crate) fn read(folder: &Path) -> Self {
        let table = read_table(&folder.join("case.toml"));
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let companions = companions(folder, &name);
        let sheet = Sheet::read(name, &folder.join("io.safetensors"), table);
        Self { folder: folder.to_owned(), sheet, companions }
    }

    /// Name of the folder.
    pub fn name(&self) -> &str {
        &self.sheet.name
    }

    /// A file of the case.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The tensors of `io.safetensors`.
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    /// Further sheets by name: pairs of `NAME.toml` and `NAME.safetensors`.
    pub fn companions(&self) -> impl Iterator<Item = &Sheet> {
        self.companions.values()
    }

    /// The value at a dotted path of `case.toml`.
    pub fn value(&self, path: &str) -> Option<&Value> {
        self.sheet.value(path)
    }

    /// The text at a dotted path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// The number at a dotted path.
    pub fn number(&self, path: &str) -> Option<f64> {
        let value = self.value(path)?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    }

    /// The texts at a dotted path; empty where there are none.
    pub fn texts(&self, path: &str) -> Vec<String> {
        let values = self.value(path).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }

    /// The numbers at a dotted path; empty where there are none.
    pub fn numbers(&self, path: &str) -> Vec<f64> {
        let values = self.value(path).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(|v| v.as_float().or_else(|| v.as_integer().map(|n| n as f64))).collect()
    }
}

impl Sheet {
    fn read(name: String, path: &Path, table: Table) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let values = decode(view.dtype(), view.data()).unwrap_or_else(|| {
                    panic!("{}: {name} is of type {:?}, which is not understood", path.display(), view.dtype())
                });
                (name, Tensor { shape: view.shape().to_vec(), values })
            })
            .collect();
        // Tensors are described by an array of tables with names, or by a table of tables under their names.
        let listed = table.get("tensor").and_then(Value::as_array).into_iter().flatten();
        let listed = listed.filter_map(|entry| Some((entry.get("name")?.as_str()?.to_owned(), tolerance(entry))));
        let named = table.get("tensors").and_then(Value::as_table).into_iter().flatten();
        let tolerances = listed.chain(named.map(|(name, entry)| (name.clone(), tolerance(entry)))).collect();
        Self { name, tensors, tolerances, table }
    }

    /// Name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value at a dotted path of the table.
    pub fn value(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.table.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }

    /// The text at a dotted path of the table.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Names of the tensors that results are compared with.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        let is_result = |name: &&str| ["output.", "grad.", "mid."].iter().any(|p| name.starts_with(p));
        self.tensors.keys().map(String::as_str).filter(is_result)
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// How far a result may be from the tensor of that name: exactly equal, where the case says nothing.
    pub fn tolerance(&self, name: &str) -> Tolerance {
        self.tolerances.get(name).copied().unwrap_or(Tolerance::Exact)
    }

    /// Sizes of a tensor.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.require(name).shape
    }

    /// Values of a tensor of floating-point values.
    ///
    /// # Panics
    /// If there is none of that name, or it holds integers.
    pub fn floats(&self, name: &str) -> &[f32] {
        match &self.require(name).values {
            Values::Float(values) => values,
            Values::Int(_) => panic!("{}: {name} holds integers", self.name),
        }
    }

    /// Values of a tensor of integers.
    ///
    /// # Panics
    /// If there is none of that name, or it holds floating-point values.
    pub fn ints(&self, name: &str) -> &[i64] {
        match &self.require(name).values {
            Values::Int(values) => values,
            Values::Float(_) => panic!("{}: {name} holds floating-point values", self.name),
        }
    }

    /// An empty report on this sheet.
    pub fn report(&self) -> Report<'_> {
        Report::new(self)
    }

    fn require(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("{} has no tensor {name}", self.name))
    }
}

/// Pairs of a `.toml` and a `.safetensors` file of one name.
fn companions(folder: &Path, case: &str) -> BTreeMap<String, Sheet> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.filter_map(|e| Some(e.ok()?.path()));
    let pairs = paths.filter_map(|table| {
        let tensors = table.with_extension("safetensors");
        let name = table.file_stem()?.to_string_lossy().into_owned();
        let is_pair = table.extension().is_some_and(|e| e == "toml") && tensors.is_file();
        is_pair.then(|| (name.clone(), Sheet::read(format!("{case}/{name}"), &tensors, read_table(&table))))
    });
    pairs.collect()
}

fn read_table(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn tolerance(entry: &Value) -> Tolerance {
    let number = |key: &str| -> Option<f64> {
        let value = entry.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    };
    match (number("l2_tol"), number("rtol"), number("atol")) {
        (Some(bound), ..) => Tolerance::Norm(bound),
        (None, None, None) => Tolerance::Exact,
        (None, rtol, atol) => Tolerance::Each { rtol: rtol.unwrap_or(0.0), atol: atol.unwrap_or(0.0) },
    }
}

fn decode(dtype: Dtype, bytes: &[u8]) -> Option<Values> {
    fn each<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
    }
    Some(match dtype {
        Dtype::F32 => Values::Float(each(bytes, f32::from_le_bytes)),
        Dtype::F64 => Values::Float(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        Dtype::I64 => Values::Int(each(bytes, i64::from_le_bytes)),
        Dtype::I32 => Values::Int(each(bytes, |b| i32::from_le_bytes(b).into())),
        Dtype::U8 | Dtype::BOOL => Values::Int(each(bytes, |[b]: [u8; 1]| b.into())),
        _ => return None,
    })
}

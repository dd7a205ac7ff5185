//! Files of seeded random weights in the containers, layouts and names of the published ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use fmr_checkpoint::{FloatType, write_safetensors};
use fmr_nn::weights::Key;

/// Names and shapes of a model's parameters.
pub(crate) type Shapes = Vec<(String, Vec<usize>)>;

pub(crate) fn shapes(keys: Vec<Key>) -> Shapes {
    keys.into_iter().map(|key| (key.name, key.shape)).collect()
}

/// Random values that keep activations near one: uniform, with a deviation of one over the root of a unit's inputs.
/// Normalisations do nothing.
fn values(key: &str, shape: &[usize]) -> Vec<f32> {
    let len = shape.iter().product();
    let fan_in: usize = if shape.len() > 1 { shape[1..].iter().product() } else { len };
    let bound = match key {
        "logit_scale" => return vec![100f32.ln()],
        "quantize.embedding.weight" => 1.0,
        _ if key.ends_with("running_mean") || key.ends_with("bias") => return vec![0.0; len],
        _ if shape.len() == 1 && (key.ends_with("weight") || key.ends_with("running_var")) => return vec![1.0; len],
        _ => (3.0 / fan_in as f32).sqrt(),
    };
    let mut state =
        key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * bound
    };
    (0..len).map(|_| next()).collect()
}

/// A safetensors file, as timm publishes classifiers.
pub(crate) fn safetensors(path: &Path, shapes: &Shapes) {
    let tensors: Vec<_> = shapes.iter().map(|(key, shape)| (key, shape, values(key, shape))).collect();
    let tensors = tensors.iter().map(|(key, shape, values)| (key.as_str(), shape.as_slice(), values.as_slice()));
    write_safetensors(path, tensors, &BTreeMap::new(), FloatType::F32).unwrap();
}

/// A Lightning checkpoint, as taming-transformers publishes VQGANs: the weights beside the state of the training.
pub(crate) fn lightning(path: &Path, shapes: &Shapes) {
    let discriminator = ("loss.discriminator.main.0.weight".to_owned(), vec![64, 3, 4, 4]);
    let mut archive = Archive::create(path, "archive");
    let mut pickle = b"\x80\x02}(".to_vec();
    string(&mut pickle, "epoch");
    int(&mut pickle, 12);
    string(&mut pickle, "callbacks");
    pickle.extend(b"}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n}s");
    string(&mut pickle, "state_dict");
    pickle.extend(b"ccollections\nOrderedDict\n)R(");
    for (key, shape) in shapes.iter().chain([&discriminator]) {
        string(&mut pickle, key);
        archive.tensor(&mut pickle, key, shape, false);
    }
    pickle.extend(b"uu.");
    archive.finish(&pickle);
}

/// A TorchScript archive of modules in modules, as OpenAI publishes CLIP: matrices and kernels in half precision.
pub(crate) fn torch_script(path: &Path, shapes: &Shapes) {
    let mut archive = Archive::create(path, "model");
    let mut pickle = b"\x80\x02".to_vec();
    module(&mut archive, &mut pickle, "", shapes);
    pickle.push(b'.');
    archive.entry("constants.pkl", b"\x80\x02).");
    archive.entry("code/__torch__.py", b"");
    archive.finish(&pickle);
}

/// The module whose parameters' names start with `prefix`.
fn module(archive: &mut Archive, pickle: &mut Vec<u8>, prefix: &str, shapes: &Shapes) {
    pickle.extend(b"c__torch__.clip.model\nModule\n)\x81}(");
    let below: Vec<_> =
        shapes.iter().filter_map(|(key, shape)| Some((key.strip_prefix(prefix)?, key, shape))).collect();
    let mut seen = Vec::new();
    for (rest, key, shape) in below {
        match rest.split_once('.') {
            None => {
                string(pickle, rest);
                let full =
                    ["ln_", "token_embedding", "logit_scale", "positional", "class_"].iter().any(|p| key.contains(p));
                archive.tensor(pickle, key, shape, !full);
            }
            Some((child, _)) if !seen.contains(&child) => {
                seen.push(child);
                string(pickle, child);
                module(archive, pickle, &format!("{prefix}{child}."), shapes);
            }
            Some(_) => {}
        }
    }
    pickle.extend(b"ub");
}

fn string(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn int(pickle: &mut Vec<u8>, n: usize) {
    pickle.push(b'J');
    pickle.extend((n as u32).to_le_bytes());
}

fn ints(pickle: &mut Vec<u8>, numbers: impl IntoIterator<Item = usize>) {
    pickle.push(b'(');
    numbers.into_iter().for_each(|n| int(pickle, n));
    pickle.push(b't');
}

/// A zip archive of stored entries, as PyTorch writes it: sizes stand in the directory at the end alone.
struct Archive {
    file: BufWriter<File>,
    root: &'static str,
    at: usize,
    entries: Vec<(String, usize, usize)>,
}

impl Archive {
    fn create(path: &Path, root: &'static str) -> Self {
        let file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        Self { file, root, at: 0, entries: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).unwrap();
        self.at += bytes.len();
    }

    fn entry(&mut self, name: &str, data: &[u8]) {
        let name = format!("{}/{name}", self.root);
        self.entries.push((name.clone(), self.at, data.len()));
        self.put(b"PK\x03\x04");
        self.put(&header(&name, 0));
        self.put(name.as_bytes());
        self.put(data);
    }

    /// Stores a tensor's values, and says in the pickle where they are.
    fn tensor(&mut self, pickle: &mut Vec<u8>, key: &str, shape: &[usize], half: bool) {
        let values = values(key, shape);
        let storage = self.entries.len().to_string();
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        string(pickle, "storage");
        pickle.extend(if half { b"ctorch\nHalfStorage\n".as_slice() } else { b"ctorch\nFloatStorage\n" });
        string(pickle, &storage);
        string(pickle, "cuda:0");
        int(pickle, values.len());
        pickle.extend(b"tQ");
        int(pickle, 0);
        ints(pickle, shape.iter().copied());
        ints(pickle, (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()));
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        let bytes: Vec<u8> = if half {
            values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
        } else {
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        self.entry(&format!("data/{storage}"), &bytes);
    }

    fn finish(mut self, pickle: &[u8]) {
        self.entry("data.pkl", pickle);
        self.entry("version", b"3\n");
        let start = self.at;
        for (name, at, size) in std::mem::take(&mut self.entries) {
            self.put(b"PK\x01\x02\0\0");
            self.put(&header(&name, size));
            self.put(&[0; 10]);
            self.put(&(at as u32).to_le_bytes());
            self.put(name.as_bytes());
            self.entries.push((name, at, size));
        }
        let (count, size) = (self.entries.len() as u16, (self.at - start) as u32);
        self.put(b"PK\x05\x06\0\0\0\0");
        self.put(&count.to_le_bytes());
        self.put(&count.to_le_bytes());
        self.put(&size.to_le_bytes());
        self.put(&(start as u32).to_le_bytes());
        self.put(&[0; 2]);
        self.file.flush().unwrap();
    }
}

/// What a local header and an entry of the directory share.
fn header(name: &str, size: usize) -> Vec<u8> {
    let mut header = vec![0, 0, 8, 8, 0, 0];
    header.extend([0; 8]);
    header.extend((size as u32).to_le_bytes());
    header.extend((size as u32).to_le_bytes());
    header.extend((name.len() as u16).to_le_bytes());
    header.extend([0; 2]);
    header
}

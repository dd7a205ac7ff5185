//! Makes inputs: sound files with changes, and new files that keep the structure of their container.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::{pickles, support};
use crate::Input;
use crate::bytes::{below, change, pick, repetitions};

/// The kind of inputs that are read by their path.
pub(super) const INDEX: &str = "an index of shards";

/// Makes inputs from random numbers.
pub(super) struct Maker {
    sound: Vec<(&'static str, Vec<u8>)>,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self { sound: support::sound() }
    }

    pub(super) fn make(&self, random: &mut ChaCha8Rng) -> Input {
        let (kind, bytes) = match below(random, 10) {
            0..=2 => ("a changed file", self.changed(random)),
            3..=6 => self.pickle(random),
            7 => ("an archive", archive(random)),
            8 => ("a safetensors header", header(random)),
            _ => (INDEX, index(random)),
        };
        Input { kind, bytes }
    }

    /// A sound file, with bytes changed, doubled, moved or taken out.
    fn changed(&self, random: &mut ChaCha8Rng) -> Vec<u8> {
        let mut bytes = pick(random, &self.sound).1.clone();
        change(random, &mut bytes);
        bytes
    }

    /// A container around a pickle that was made opcode by opcode.
    fn pickle(&self, random: &mut ChaCha8Rng) -> (&'static str, Vec<u8>) {
        let mut pickle = pickles::make(random);
        if below(random, 4) == 0 {
            change(random, &mut pickle);
        }
        match below(random, 8) {
            0 | 1 => ("a legacy stream", support::legacy_with(&pickle, [8, 1])),
            2 => ("a plain pickle", pickle),
            _ => ("an archive of a pickle", support::torch_zip(&pickle)),
        }
    }
}

/// An archive with entries of all kinds of names.
fn archive(random: &mut ChaCha8Rng) -> Vec<u8> {
    let pickle = support::state_dict();
    let long = "n".repeat(1 + repetitions(random));
    let most = (1 << 20) / long.len();
    let names: Vec<String> = (0..repetitions(random).min(most)).map(|n| format!("archive/{long}{n}\u{1b}")).collect();
    let mut entries: Vec<(&str, &[u8])> = names.iter().take(2000).map(|name| (name.as_str(), [].as_slice())).collect();
    entries.push((*pick(random, &["archive/data.pkl", "archive/data.pkl", "data.pkl", "a/b/data.pkl"]), &pickle));
    let storages = support::storages();
    let keys: Vec<String> = storages.iter().map(|(key, _)| format!("archive/data/{key}")).collect();
    entries.extend(keys.iter().map(String::as_str).zip(storages.iter().map(|(_, bytes)| bytes.as_slice())));
    if below(random, 8) == 0 {
        entries.push((*pick(random, &["archive/byteorder", "archive/data/0", "archive/data.pkl"]), b"big"));
    }
    // The format has 16 bits for the length of a name.
    entries.retain(|(name, _)| name.len() < 60_000);
    let mut bytes =
        support::zip_of(&entries, *pick(random, &[0, 0, 0, 0, 0, 8]), *pick(random, &[0, 0, 0x0808, 0x0808, 1]));
    if below(random, 4) == 0 {
        change(random, &mut bytes);
    }
    bytes
}

/// A text for keys and values of JSON; most are different, few are long.
fn text(random: &mut ChaCha8Rng) -> String {
    let part = *pick(random, &["a", "a.weight", "module.", "ema.", "\\u001b[2J", "\\n", "é", "layer1.", "0.", "é\\\\"]);
    let times = if below(random, 40) == 0 { repetitions(random) } else { 1 };
    format!("{}{}", part.repeat(times), random.next_u32() % 1000)
}

/// A safetensors file whose header lists tensors that may or may not fit.
fn header(random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut offset = 0;
    for _ in 0..repetitions(random).min(3000) {
        let dims: Vec<u64> = (0..below(random, 4)).map(|_| random.next_u64() % 4).collect();
        let size = *pick(random, &[1u64, 2, 4, 8]);
        let shape = match below(random, 200) {
            0 => format!("[{}1]", "1,".repeat(repetitions(random))),
            1 => "[18446744073709551615,0]".to_owned(),
            2 => "[18446744073709551615,18446744073709551615]".to_owned(),
            _ => format!("{dims:?}"),
        };
        let end = offset + size * dims.iter().product::<u64>();
        let dtype = match (size, below(random, 100)) {
            (_, 0) => "F99",
            (_, 1) => "F32",
            (1, _) => *pick(random, &["U8", "BOOL", "F8_E4M3", "I8"]),
            (2, _) => *pick(random, &["F16", "BF16"]),
            (4, _) => "F32",
            _ => *pick(random, &["F64", "I64"]),
        };
        let key = text(random);
        entries.push(format!(r#""{key}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{offset},{end}]}}"#));
        offset = end;
    }
    if below(random, 3) == 0 {
        let pairs: Vec<String> =
            (0..repetitions(random)).map(|_| format!(r#""{}":"{}""#, text(random), text(random))).collect();
        entries.push(format!(r#""__metadata__":{{{}}}"#, pairs.join(",")));
    }
    let mut header = format!("{{{}}}", entries.join(",")).into_bytes();
    if below(random, 3) == 0 {
        change(random, &mut header);
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(vec![0; offset.min(1 << 16) as usize]);
    bytes
}

/// An index that names files which are not there, and some that cannot be.
fn index(random: &mut ChaCha8Rng) -> Vec<u8> {
    let places: Vec<String> = (0..repetitions(random))
        .map(|n| {
            let file = *pick(random, &["model-1.safetensors", "../x", "/dev/zero", "", "\\u001b", "a/b", "."]);
            format!(r#""{}{n}":"{file}""#, text(random))
        })
        .collect();
    let mut bytes = format!(r#"{{"metadata":{{}},"weight_map":{{{}}}}}"#, places.join(",")).into_bytes();
    if below(random, 3) == 0 {
        change(random, &mut bytes);
    }
    bytes
}

//! Well-formed pickles of random values, with the references, nesting and repetitions that make a reader work.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::support::Pickle;
use crate::bytes::{below, pick, repetitions};

/// Functions that are called with a random value.
const FUNCTIONS: &[&[u8]] = &[
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch._utils\n_rebuild_qtensor\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"ctorch\nSize\n",
    b"ctorch.storage\n_load_from_bytes\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy\ndtype\n",
    b"cdill._dill\n_f\n",
    b"ca\nB\n",
];

/// Keys that mean something to the reader.
const KEYS: &[&str] = &[
    "state_dict",
    "ema",
    "model",
    "module",
    "model_ema",
    "loss",
    "optimizer",
    "layer1",
    "layer2",
    "0",
    "1",
    "mean",
    "a.weight",
    "weight",
    "conv1.weight",
    "\u{1b}[2J",
    "_modules",
    "_parameters",
    "_buffers",
    "class_name",
    "state",
];

/// Bytes after which no further values are made.
const LONGEST: usize = 64 << 10;
/// Nested containers.
const DEPTH: usize = 12;

/// Makes a pickle whose first two values are tensors of the storages `0` and `1`.
pub(super) fn make(random: &mut ChaCha8Rng) -> Vec<u8> {
    let first = Pickle::new().raw(b"}(").str("a.weight").tensor("0", 8, 0, &[2, 3], &[1, 2]);
    let second = first.raw(b"q\x00").str("b").tensor("1", 1, 0, &[], &[]).raw(b"q\x01");
    let mut program = Program { pickle: second, length: 0, memo: 2 };
    for _ in 0..1 + below(random, 4) {
        program.key(random);
        program.value(random, 0);
    }
    program.pickle.raw(b"u").end()
}

/// A pickle under construction.
struct Program {
    pickle: Pickle,
    /// Bytes appended so far.
    length: usize,
    /// Values that can be referred to.
    memo: u8,
}

impl Program {
    fn raw(&mut self, opcodes: &[u8]) {
        self.length += opcodes.len();
        self.pickle = std::mem::replace(&mut self.pickle, Pickle::new()).raw(opcodes);
    }

    fn text(&mut self, text: &str) {
        self.length += 5 + text.len();
        self.pickle = std::mem::replace(&mut self.pickle, Pickle::new()).str(text);
    }

    fn key(&mut self, random: &mut ChaCha8Rng) {
        match below(random, 40) {
            0 => self.text(&"x".repeat(repetitions(random).min(5000))),
            1 => self.text(&"a.".repeat(repetitions(random).min(2500))),
            2 => self.text(&"module.".repeat(repetitions(random).min(600))),
            3 => self.raw(b"K\x07"),
            4 => self.reference(random),
            _ => self.text(pick::<&str>(random, KEYS)),
        }
    }

    /// Refers to an earlier value.
    fn reference(&mut self, random: &mut ChaCha8Rng) {
        let value = below(random, usize::from(self.memo));
        self.raw(&[b'h', value as u8]);
    }

    /// Appends opcodes that leave one value on the stack.
    fn value(&mut self, random: &mut ChaCha8Rng, depth: usize) {
        let is_leaf = depth >= DEPTH || self.length > LONGEST;
        match below(random, if is_leaf { 6 } else { 16 }) {
            0 => self.raw(&[*pick(random, b"N\x88\x89)")]),
            1 => self.raw(&[b"J".as_slice(), &random.next_u32().to_le_bytes()].concat()),
            2 => self.text(pick::<&str>(random, KEYS)),
            3 | 4 => self.reference(random),
            5 => self.tensor(random),
            // Many references to one value, in every kind of container.
            6 | 7 => {
                let value = below(random, usize::from(self.memo)) as u8;
                let (open, close) = *pick(
                    random,
                    &[(b"](".as_slice(), b"e".as_slice()), (b"(", b"t"), (b"}(", b"u"), (b"(", b"d"), (b"(", b"l")],
                );
                let many = [b'h', value].repeat(2 * repetitions(random));
                self.raw(&[open, &many, close].concat());
            }
            8 | 9 => {
                self.raw(b"](");
                self.several(random, depth);
                self.raw(b"e");
            }
            10 | 11 => self.dict(random, depth),
            // An ordered dict of pairs, or of something else.
            12 => {
                self.raw(b"ccollections\nOrderedDict\n");
                self.value(random, depth + 1);
                self.raw(b"\x85R");
            }
            // An object with a state, as modules have.
            13 => {
                self.raw(b"ca\nB\n)\x81");
                self.value(random, depth + 1);
                self.raw(b"b");
            }
            14 => {
                self.raw(pick::<&[u8]>(random, FUNCTIONS));
                self.raw(b"(");
                self.several(random, depth);
                self.raw(b"tR");
            }
            // Pairs of pairs: the same value twice at every level, as the state of an object.
            _ => {
                self.raw(b"ca\nB\n)\x81");
                self.value(random, depth + 1);
                for _ in 0..below(random, 50).min(usize::from(250 - self.memo)) {
                    self.raw(&[b'q', self.memo, b'h', self.memo, 0x86]);
                    self.memo += 1;
                }
                self.raw(b"b");
            }
        }
        if self.memo < 250 && below(random, 4) == 0 {
            self.raw(&[b'q', self.memo]);
            self.memo += 1;
        }
    }

    fn several(&mut self, random: &mut ChaCha8Rng, depth: usize) {
        for _ in 0..below(random, 6) {
            self.value(random, depth + 1);
        }
    }

    fn dict(&mut self, random: &mut ChaCha8Rng, depth: usize) {
        self.raw(b"}(");
        for _ in 0..below(random, 6) {
            self.key(random);
            self.value(random, depth + 1);
        }
        self.raw(b"u");
    }

    /// A tensor, at times one that does not fit its storage.
    fn tensor(&mut self, random: &mut ChaCha8Rng) {
        let (key, count, size, stride) = match below(random, 30) {
            0 => ("absent", 8, 1, 1),
            1 => ("0", i32::MAX, 1, 1),
            2 => ("0", 8, i32::MAX, 0),
            3 => ("0", 8, 1 << 20, 0),
            4 => ("0", 8, -1, 1),
            5 => ("1", 1, 0, i32::MAX),
            _ => ("0", 8, 2, 3),
        };
        self.length += 100;
        self.pickle = std::mem::replace(&mut self.pickle, Pickle::new()).tensor(key, count, 0, &[size], &[stride]);
    }
}

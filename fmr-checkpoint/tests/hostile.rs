//! Files that are small and ask for much: work, memory and printed text stay linear in the bytes that are read.
//!
//! The file is a test binary of its own, and its tests run one after another under a counting of time: what is linear
//! ends within a second or two even without optimisation, what is quadratic takes minutes.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other test binaries")]
mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fmr_checkpoint::{Checkpoint, CheckpointError, Selection};
use support::Pickle;

/// One file at a time: they would disturb each other's time.
static ONE: Mutex<()> = Mutex::new(());

/// Everything that a user sees of a file: its summary, or the error.
fn shown(name: &str, bytes: Vec<u8>) -> String {
    let _alone = ONE.lock();
    let length = bytes.len();
    let start = Instant::now();
    let checkpoint = Checkpoint::from_bytes("file", bytes);
    let summary = checkpoint.as_ref().map(|file| file.summary().map(|summary| summary.to_string()));
    let text = match summary {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => format!("{error} {error:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    if let Ok(checkpoint) = &checkpoint {
        let by_keys = Selection::by_keys(["fc.weight", "visual.conv1.weight"]);
        for selection in [by_keys, Selection::default().ema(true), Selection::default().prefix("x")] {
            if let Ok(weights) = checkpoint.weights(&selection) {
                let _ = weights.alternatives();
                let misfit = weights.check("a toy", [("fc.weight", [1].as_slice())]);
                let misfit = misfit.map_err(|error| format!("{error} {error:?} {weights:?}")).unwrap_err();
                assert_shown(name, &misfit);
            }
        }
        let all = checkpoint.weights(&Selection::default()).map(|weights| weights.load(|_| true).map(drop));
        drop(all);
    }
    let time = start.elapsed();
    println!("{name}: {length} bytes, {} ms, {} bytes shown", time.as_millis(), text.len());
    assert!(time < Duration::from_secs(20), "{name}: {length} bytes took {time:?}");
    assert_shown(name, &text);
    text
}

/// Printed text is short, and nothing in it moves a cursor or starts a line of its own.
fn assert_shown(name: &str, text: &str) {
    assert!(text.len() < 16 << 10, "{name}: {} bytes are shown", text.len());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{name}: {text:?}");
}

fn zip(pickle: Pickle) -> Vec<u8> {
    support::torch_zip(&pickle.end())
}

fn tensor(key: &str) -> Pickle {
    Pickle::new().tensor(key, 8, 0, &[1], &[1])
}

#[test]
fn elements_that_are_no_pairs_are_counted() {
    const N: usize = 200_000;
    // OrderedDict(list of N None), referred to N times.
    let list = Pickle::new().raw(b"ccollections\nOrderedDict\n](").raw(&b"N".repeat(N)).raw(b"e\x85Rq\0");
    let text = shown("ordered", zip(list.raw(b"](").raw(&b"h\0".repeat(N)).raw(b"e")));
    assert!(text.contains("too many times"), "{text}");
}

#[test]
fn states_that_are_pairs_of_pairs_are_counted() {
    // Each state is a pair of the one before, twice: 2^60 leaves.
    let mut pickle = Pickle::new().raw(b"NN\x86q\0");
    for level in 1..60u8 {
        pickle = pickle.raw(&[b'h', level - 1, b'h', level - 1, 0x86, b'q', level, b'0']);
        pickle = pickle.raw(&[b'h', level]);
    }
    let text = shown("pairs", zip(pickle.raw(b"q\xfe0ca\nB\n)\x81h\xfeb")));
    assert!(text.contains("too many times"), "{text}");
}

#[test]
fn dicts_are_not_searched_for_every_reference() {
    const N: usize = 100_000;
    // An object whose state is a dict of N entries, referred to N times.
    let state = Pickle::new().raw(b"}(").raw(&b"NN".repeat(N)).raw(b"uq\0");
    let object = state.raw(b"0ca\nB\n)\x81h\0bq\x01");
    let text = shown("state", zip(object.raw(b"0](").raw(&b"h\x01".repeat(N)).raw(b"e")));
    assert!(text.contains("too many times"), "{text}");
}

#[test]
fn numbers_in_keys_are_counted_in_one_pass() {
    const N: usize = 30_000;
    let layer = tensor("0").raw(b"q\0}(").str("conv1.weight").raw(b"h\0").str("layer1").raw(b"](}q\x01");
    let layer = layer.str("w").raw(b"h\0s").raw(&b"h\x01".repeat(N - 1)).raw(b"e");
    let text = shown("count", zip(layer.str("layer2").raw(b"](h\x01eu")));
    assert!(text.contains("basic-block ResNet with blocks [30000, 1, 0, 0]"), "{text}");
}

#[test]
fn keys_of_storages_are_hashed_once() {
    const N: usize = 400_000;
    let key = "k".repeat(N);
    let reference = Pickle::new().raw(b"(").str("storage").raw(b"ctorch\nFloatStorage\n").str(&key).str("cpu");
    let pickle = reference.int(4).raw(b"tq\0](").raw(&b"h\0Q".repeat(N)).raw(b"e").end();
    let text = shown("legacy", support::legacy_with(&pickle, [8, 1]));
    assert!(text.contains("absurdly long"), "{text}");
    // A storage in an archive with a name of 60 kB, its tensor referred to many times, at first as one object.
    let key = "k".repeat(60_000);
    let name = format!("archive/data/{key}");
    let entry = [(name.as_str(), [0u8; 64].as_slice())];
    let one = tensor(&key).raw(b"q\0](").raw(&b"h\0".repeat(N)).raw(b"e").end();
    shown("zipname", support::torch_zip_with(&one, &entry));
    // And as many objects that share the key.
    let call = b"(h\x01h\x02h\x03h\x04h\x05tQK\0(K\x01t(K\x01t\x89h\x06)RtR";
    let shared = Pickle::new().raw(b"ctorch._utils\n_rebuild_tensor_v2\nq\0").str("storage").raw(b"q\x01");
    let shared = shared.raw(b"ctorch\nFloatStorage\nq\x02").str(&key).raw(b"q\x03").str("cpu").raw(b"q\x04K\x04q\x05");
    let shared = shared.raw(b"ccollections\nOrderedDict\nq\x06](");
    let many = shared.raw(&[b"h\0(".as_slice(), call].concat().repeat(10_000)).raw(b"e").end();
    shown("shared", support::torch_zip_with(&many, &entry));
}

#[test]
fn memory_is_bounded_by_what_was_read() {
    let long = tensor("0").raw(b"q\0}").str(&"x".repeat(4000)).raw(b"](").raw(&b"h\0".repeat(11_000)).raw(b"es");
    let text = shown("long keys", zip(long));
    assert!(text.contains("more memory than"), "{text}");
    // As many dots as the key has room for: every one starts a name that might be asked for.
    let dots = tensor("0").raw(b"q\0}").str(&"a.".repeat(2000)).raw(b"](").raw(&b"h\0".repeat(200)).raw(b"es");
    shown("dots", zip(dots));
    let modules = tensor("0").raw(b"q\0}").str(&"module.".repeat(500)).raw(b"](").raw(&b"h\0".repeat(200)).raw(b"es");
    shown("modules", zip(modules));
    let empty = format!(r#"{{"__metadata__":{{{}"":""}}}}"#, r#""":"","#.repeat(2_700_000));
    let text = shown("metadata", support::safetensors(&empty, &[]));
    assert!(text.contains("more memory than"), "{text}");
    let shape = format!(r#"{{"a":{{"dtype":"F32","shape":[{}2],"data_offsets":[0,4]}}}}"#, "1,".repeat(7_000_000));
    let text = shown("shape", support::safetensors(&shape, &[0; 4]));
    assert!(text.contains("too many dimensions"), "{text}");
    assert_memory_stayed_below(320);
}

#[test]
fn values_that_repeat_are_not_loaded() {
    // One storage of 4 MB, which a thousand tensors show.
    let storage = vec![0u8; 4 << 20];
    let one = Pickle::new().tensor("big", 1 << 20, 0, &[1 << 20], &[1]);
    let many = one.raw(b"q\0](").raw(&b"h\0".repeat(1000)).raw(b"e").end();
    let file = support::torch_zip_with(&many, &[("archive/data/big", &storage)]);
    let checkpoint = Checkpoint::from_bytes("file", file).unwrap();
    let weights = checkpoint.weights(&Selection::default()).unwrap();
    let error = weights.load(|_| true).unwrap_err();
    assert!(matches!(error, CheckpointError::Repeats { .. }), "{error}");
    assert!(error.to_string().contains("they repeat the same values"));
    assert_eq!(weights.load(|name| name == "7").unwrap().len(), 1);
}

#[test]
fn what_a_file_says_is_escaped_and_cut() {
    let entry = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let hostile = r"\u001b[2J\u001b[31mowned\n  looks like  a trusted model\u009b\u202e\u2028";
    let header = format!(r#"{{"__metadata__":{{"\u001b]0;owned\u0007k":"{hostile}"}},"{hostile}":{entry}}}"#);
    let text = shown("escape", support::safetensors(&header, &[0]));
    assert!(text.contains(r"\u{1b}[2J\u{1b}[31mowned\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("looks like")).count(), 1);

    let long = "k".repeat(4000);
    let header = format!(r#"{{"__metadata__":{{"{long}":"{long}"}},"{long}":{entry}}}"#);
    shown("long key", support::safetensors(&header, &[0]));
    for dtype in ["F".repeat(1_000_000), hostile.to_owned()] {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[],"data_offsets":[0,4]}}}}"#);
        shown("dtype", support::safetensors(&header, &[0; 4]));
        shown("unexpected", support::safetensors(&format!(r#"{{"a":"{dtype}"}}"#), &[0; 4]));
    }
    // Text of pickles: names of classes, keys of storages, names of archive entries.
    let raw = "\u{1b}[2J\n".repeat(2000);
    let class = format!("ctorch\n{}\n", "\u{1b}[2J".repeat(2000));
    let wrong_type = tensor("0").raw(b"0ctorch._utils\n_rebuild_tensor_v2\n((").str("storage").raw(class.as_bytes());
    let wrong_type = wrong_type.str("0").str("cpu").int(8).raw(b"tQK\0(K\x01t(K\x01t\x89}tR");
    shown("type", zip(wrong_type));
    shown("storage", zip(tensor(&raw)));
    let name: &str = &format!("a/{}", "\u{1b}".repeat(30_000));
    for method in [0, 8] {
        shown("entry", support::zip_of(&[(name, b""), (name, b"")], method, 0));
    }
    let key = Pickle::new().raw(b"}").str("\u{1b}[31m\r").raw(b"}").str("\u{7}").raw(b"K\x01ss");
    let with_tensor = key.raw(b"0").raw(&tensor("0").end()[2..]);
    shown("pickle keys", with_tensor.end());
}

#[test]
fn sizes_that_no_tensor_has_do_not_overflow() {
    let entry = |shape: &str| format!(r#"{{"dtype":"U8","shape":{shape},"data_offsets":[0,0]}}"#);
    let mut tensors = vec![
        ("visual.class_embedding".to_owned(), entry("[768,0]")),
        ("visual.positional_embedding".to_owned(), entry("[18446744073709551615,0]")),
        ("visual.conv1.weight".to_owned(), entry("[0,18446744073709551615]")),
    ];
    tensors.extend((0..12).map(|n| (format!("visual.transformer.resblocks.{n}.a"), entry("[0]"))));
    tensors.extend((0..80).map(|n| (format!("encoder.down_blocks.{n}.a"), entry("[0]"))));
    tensors.push(("decoder.up_blocks.18446744073709551615.a".to_owned(), entry("[0]")));
    let tensors: Vec<String> = tensors.into_iter().map(|(key, entry)| format!("\"{key}\":{entry}")).collect();
    shown("overflow", support::safetensors(&format!("{{{}}}", tensors.join(",")), &[]));
}

#[test]
fn overlapping_values_are_refused() {
    let entry =
        |from: u32, to: u32| format!(r#"{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#, to - from);
    let overlap = format!(r#"{{"a":{},"b":{}}}"#, entry(0, 4), entry(2, 6));
    assert!(shown("overlap", support::safetensors(&overlap, &[0; 6])).contains("overlap others"));
    let sound = format!(r#"{{"a":{},"b":{},"c":{}}}"#, entry(0, 4), entry(4, 4), entry(4, 6));
    assert!(shown("adjacent", support::safetensors(&sound, &[0; 6])).contains("in 3 tensors"));
}

/// Peak memory of this process so far, where the system tells it.
fn assert_memory_stayed_below(mebibytes: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    if let Some(kilobytes) = peak {
        println!("peak memory {} MiB", kilobytes >> 10);
        assert!(kilobytes < mebibytes << 10, "{kilobytes} KiB");
    }
}

//! Damaged, hostile and foreign files end in an error: no panic, and memory stays bounded.
//!
//! The whole file is one test binary, so that the process's peak memory is that of these tests.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use fmr_checkpoint::{Checkpoint, CheckpointError, Container, Scalar, Selection};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::Pickle;

/// Opens a file and uses everything it lists, as a program would.
fn exercise(bytes: Vec<u8>) -> Result<Checkpoint, CheckpointError> {
    let checkpoint = Checkpoint::from_bytes("file", bytes)?;
    for tensor in checkpoint.tensors() {
        if let Ok((shape, values)) = checkpoint.tensor_f32(tensor.key()) {
            assert_eq!(shape.iter().product::<usize>(), values.len());
        }
        let _ = checkpoint.tensor_i64(tensor.key());
    }
    let _ = checkpoint.weights(&Selection::default());
    let _ = checkpoint.looks_like();
    Ok(checkpoint)
}

/// The error that this file must end in.
fn refused(bytes: Vec<u8>) -> String {
    let error = exercise(bytes).expect_err("a hostile file was accepted");
    error.to_string()
}

/// Peak memory of this process so far, where the system tells it.
fn assert_memory_stays_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    if let Some(kilobytes) = peak {
        println!("peak memory {} MiB", kilobytes >> 10);
        assert!(kilobytes < 900 << 10, "{kilobytes} KiB");
    }
}

#[test]
fn sound_files_are_read() {
    for (name, bytes) in support::sound() {
        let checkpoint = exercise(bytes).unwrap();
        match checkpoint.container() {
            Container::TorchZip | Container::TorchScript | Container::TorchLegacy => {
                let mut weights = checkpoint.weights(&Selection::default()).unwrap();
                assert_eq!(weights.prefix(), "state_dict.module.");
                let transposed = weights.take("a.weight", &[2, 3]).unwrap();
                assert_eq!(transposed, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0], "{name}");
                assert_eq!(weights.take("a.bias", &[2]).unwrap(), [6.0, 7.0]);
                assert_eq!(weights.take("b.scale", &[1]).unwrap(), [0.5]);
                weights.finish("a toy").unwrap();
                assert_eq!(checkpoint.scalar("epoch"), Some(&Scalar::Int(7)));
            }
            Container::Pickle => {
                let found = checkpoint.tensor_f32("G_ema.weight").unwrap();
                assert_eq!(found, (vec![2, 2], vec![2.0, 3.0, 4.0, 5.0]));
                assert_eq!(checkpoint.scalar("G_ema.z_dim"), Some(&Scalar::Int(64)));
            }
            _ => {
                let found = checkpoint.tensor_f32("a.weight").unwrap();
                assert_eq!(found, (vec![2, 1], vec![1.0, 2.0]));
                assert_eq!(checkpoint.tensor_f32("b").unwrap(), (vec![], vec![3.0]));
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in support::sound() {
        for len in 0..bytes.len() {
            let cut = exercise(bytes[..len].to_vec());
            assert!(cut.is_err(), "{name} cut to {len} of {} bytes", bytes.len());
        }
    }
    assert_memory_stays_bounded();
}

#[test]
fn flipped_bits_and_absurd_numbers_never_panic() {
    for (_, bytes) in support::sound() {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let _ = exercise(flipped);
            }
            for width in [1, 2, 4, 8] {
                let mut absurd = bytes.clone();
                let end = bytes.len().min(at + width);
                absurd[at..end].fill(0xff);
                let _ = exercise(absurd.clone());
                absurd[end - 1] = 0x7f;
                let _ = exercise(absurd);
            }
        }
    }
    assert_memory_stays_bounded();
}

#[test]
fn random_changes_never_panic() {
    let sound = support::sound();
    // Seeded: the same changes on every machine and in every run.
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let change = (0..sound.len(), 0..4096usize, 0..4096usize, proptest::collection::vec(0u8.., 0..12));
    let run = runner.run(&change, |(file, at, removed, inserted)| {
        let mut bytes = sound[file].1.clone();
        let at = at % bytes.len();
        let end = (at + removed % 16).min(bytes.len());
        bytes.splice(at..end, inserted);
        let _ = exercise(bytes);
        Ok(())
    });
    run.unwrap();
    let noise = proptest::collection::vec(0u8.., 0..200);
    let run = runner.run(&(0..sound.len(), 1..16usize, noise), |(file, kept, noise)| {
        let mut bytes = sound[file].1[..kept].to_vec();
        bytes.extend(noise);
        let _ = exercise(bytes);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn lying_lengths_in_pickles_are_refused() {
    for opcodes in [
        b"X\xff\xff\xff\xff".as_slice(),
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"T\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\xff",
        b"\x8b\x00\x00\x00\x80",
    ] {
        let error = refused(support::torch_zip(&Pickle::new().raw(opcodes).end()));
        assert!(error.contains("are left"), "{error}");
    }
    let memo = Pickle::new().raw(b"}r\xff\xff\xff\xff").end();
    assert!(exercise(support::torch_zip(&memo)).unwrap().tensors().is_empty());
    assert_memory_stays_bounded();
}

#[test]
fn huge_and_deep_pickles_are_refused() {
    const MANY: usize = 200_000;
    let flood =
        |opcodes: &[u8], times: usize| refused(support::torch_zip(&Pickle::new().raw(&opcodes.repeat(times)).end()));
    for opcodes in [b"}".as_slice(), b"](", b"N)R", b"K\x01\x85", b"(", b"K\x012", b"}q\0"] {
        let error = flood(opcodes, 24 << 20 >> opcodes.len());
        assert!(error.contains("damaged"), "{error}");
    }
    // A list in a list in a list, and a state that is a pair of pairs.
    let nested = Pickle::new().raw(&b"]".repeat(MANY)).raw(&b"a".repeat(MANY - 1)).end();
    assert!(refused(support::torch_zip(&nested)).contains("nested deeper"));
    let pairs = b"}}\x86".iter().chain(b"}\x86".repeat(MANY).iter()).copied().collect::<Vec<_>>();
    let state = Pickle::new().raw(b"ca\nB\n)\x81").raw(&pairs).raw(b"b").end();
    assert!(refused(support::torch_zip(&state)).contains("nested deeper"));
    let parameters = Pickle::new().raw(b"}").raw(&b"\x85ctorch._utils\n_rebuild_parameter\n".repeat(10)).end();
    assert!(exercise(support::torch_zip(&parameters)).unwrap().tensors().is_empty());
    assert_memory_stays_bounded();
}

#[test]
fn references_that_multiply_are_refused() {
    // Each list holds the previous one twelve times: twelve to the thirtieth leaves.
    let mut laughs = Pickle::new().raw(b"]q\0");
    for level in 1..30u8 {
        laughs = laughs.raw(b"](").raw(&[b'h', level - 1].repeat(12)).raw(b"eq").raw(&[level]);
    }
    assert!(refused(support::torch_zip(&laughs.clone().end())).contains("too many times"));
    let long = "x".repeat(1 << 20);
    let strings = Pickle::new().str(&long).raw(b"q\0](").raw(&b"h\0".repeat(4000)).raw(b"e").end();
    assert!(refused(support::torch_zip(&strings)).contains("memory"));
    let tensor = Pickle::new().tensor("0", 8, 0, &[2, 3], &[1, 2]);
    let tensors = tensor.raw(b"q\0](").raw(&b"h\0".repeat(2_000_000)).raw(b"e").end();
    assert!(refused(support::torch_zip(&tensors)).contains("memory"));
    assert_memory_stays_bounded();
}

#[test]
fn values_inside_themselves_are_walked_once() {
    for pickle in [
        b"]q\0h\0a".as_slice(),
        b"}q\0(K\x01h\0u",
        b"ca\nB\n)\x81q\0h\0b",
        b"ca\nB\n)\x81q\0}X\x08\0\0\0_modulesh\0sb",
        b"](q\x01ctorch._utils\n_rebuild_parameter\n]q\0Rq\x02h\0h\x02a0h\x02e",
        b"}q\0h\0Rq\x01",
    ] {
        let checkpoint = exercise(support::torch_zip(&Pickle::new().raw(pickle).end()));
        assert!(checkpoint.map_or(true, |c| c.tensors().is_empty()), "{pickle:?}");
    }
}

#[test]
fn nothing_is_executed() {
    let marker = std::env::temp_dir().join("fmr-checkpoint-was-executed");
    let command = format!("touch {}", marker.display());
    let call = Pickle::new().raw(b"}").str("a").raw(b"cos\nsystem\n").str(&command).raw(b"\x85Rs").end();
    let checkpoint = exercise(support::torch_zip(&call)).unwrap();
    assert!(checkpoint.tensors().is_empty());
    assert!(!Path::new(&marker).exists());
}

#[test]
fn tensors_that_do_not_fit_their_storage_are_refused() {
    let with = |count, offset, size: &[i32], stride: &[i32]| {
        let pickle = Pickle::new().raw(b"}").str("a").tensor("0", count, offset, size, stride).raw(b"s").end();
        [support::torch_zip(&pickle), support::legacy(&pickle)]
    };
    for file in [
        with(9, 0, &[9], &[1]),
        with(i32::MAX, 0, &[1], &[1]),
        with(-1, 0, &[1], &[1]),
        with(8, 7, &[2], &[1]),
        with(8, -1, &[1], &[1]),
        with(8, 0, &[-3], &[1]),
        with(8, 0, &[2, 2], &[1]),
        with(8, 0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
        with(8, 0, &[2], &[i32::MAX]),
        with(8, 0, &[1; 99], &[1; 99]),
    ]
    .into_iter()
    .flatten()
    {
        let error = refused(file);
        assert!(error.contains("damaged or incomplete"), "{error}");
    }
    let missing = Pickle::new().tensor("7", 8, 0, &[1], &[1]).end();
    assert!(refused(support::torch_zip(&missing)).contains(r#"storage "7" is missing"#));
    assert_memory_stays_bounded();
}

#[test]
fn lying_legacy_streams_are_refused() {
    for counts in [[u64::MAX, 1], [1 << 62, 1], [9, 1], [8, 1 << 40], [0, 0], [7, 1]] {
        refused(support::legacy_with(&support::state_dict(), counts));
    }
    refused(support::legacy(&Pickle::new().raw(b"}").end()));
}

#[test]
fn lying_archives_are_refused() {
    let pickle = support::state_dict();
    let entry = [("archive/data.pkl", pickle.as_slice())];
    assert!(refused(support::zip_of(&entry, 8, 0)).contains("compressed"));
    assert!(refused(support::zip_of(&entry, 0, 1)).contains("encrypted"));
    assert!(refused(support::zip_of(&entry, 0, 0)).contains("is missing"));
    assert!(refused(support::zip_of(&[entry[0], entry[0]], 0, 0)).contains("occurs twice"));
    assert!(refused(support::zip_of(&[("readme.txt", b"hello")], 0, 0)).contains("without data.pkl"));
    let big = [entry[0], ("archive/byteorder", b"big".as_slice())];
    assert!(refused(support::zip_of(&big, 0, 0)).contains("big-endian"));
    // The directory's length and place, and a zip64 record that does not exist.
    let sound = support::torch_zip(&pickle);
    for (from_end, value) in [(10, u32::MAX), (6, u32::MAX), (10, 1 << 30), (6, 1), (10, 45)] {
        let mut lying = sound.clone();
        let at = lying.len() - from_end;
        lying[at..at + 4].copy_from_slice(&value.to_le_bytes());
        refused(lying);
    }
    let end = sound.len() - 22;
    let mut locator = b"PK\x06\x07\0\0\0\0".to_vec();
    locator.extend(u64::MAX.to_le_bytes());
    locator.extend([1, 0, 0, 0]);
    let lying: Vec<u8> = [&sound[..end], &locator, &sound[end..]].concat();
    refused(lying);
    assert_memory_stays_bounded();
}

#[test]
fn lying_safetensors_headers_are_refused() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    for header in [
        entry("F32", "[2]", "[0,16]"),
        entry("F32", "[2]", "[8,0]"),
        entry("F32", "[3]", "[0,8]"),
        entry("F32", "[2]", "[1000,1008]"),
        entry("F32", "[18446744073709551615,18446744073709551615]", "[0,8]"),
        entry("F32", "[-2]", "[0,8]"),
        entry("F32", "[2]", "[18446744073709551615,8]"),
        entry("F32", "[4611686018427387905]", "[0,4]"),
        entry("F99", "[2]", "[0,8]"),
        entry("F32", &format!("[{}2]", "1,".repeat(40)), "[0,8]"),
        r#"{"a":1}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.into(),
        format!("{{{}", r#""a":{"#.repeat(100_000)),
        format!(r#"{{"{}":{}}}"#, "k".repeat(5000), r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#),
    ] {
        let error = refused(support::safetensors(&header, &[0; 8]));
        assert!(error.starts_with("file (safetensors)"), "{error}");
    }
    for length in [u64::MAX, u64::MAX >> 1, 1 << 40, 1000] {
        let mut file = length.to_le_bytes().to_vec();
        file.extend(b"{\"a\":1}");
        refused(file);
    }
    assert!(exercise(support::safetensors("{}", &[])).unwrap().tensors().is_empty());
    assert_memory_stays_bounded();
}

#[test]
fn other_files_are_named() {
    let told = |bytes: &[u8]| refused(bytes.to_vec());
    insta::assert_snapshot!(told(b""), @"file is not a checkpoint: it is an empty file; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"\n<!DOCTYPE html><html>"), @"file is not a checkpoint: it is an HTML page, perhaps a download page saved in place of the file; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"version https://git-lfs.github.com/spec/v1\noid"), @"file is not a checkpoint: it is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"{\"model\": 1}"), @"file is not a checkpoint: it is a JSON document; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"model:\n  target: taming\n"), @"file is not a checkpoint: it is a text file; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(&[0; 600]), @"file is not a checkpoint: it is a file of zero bytes, perhaps an unfinished download; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"\x01\x02\x03"), @"file is not a checkpoint: it is a file of an unknown kind; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)");
    insta::assert_snapshot!(told(b"\x80\x02}"), @"file (pickle) is damaged or incomplete: 1 bytes are needed at byte 3 of a part that ends after 3; fetch the file again and compare its size and checksum");
    insta::assert_snapshot!(told(b"PK\x03\x04 cut"), @"file (PyTorch zip archive) is damaged or incomplete: the zip directory at the end is missing, the file is cut short; fetch the file again and compare its size and checksum");
    let error = Checkpoint::open("no/such/file.pt").unwrap_err().to_string();
    assert!(error.starts_with("no/such/file.pt: "), "{error}");
    assert!(Checkpoint::open(env!("CARGO_MANIFEST_DIR")).is_err());
}

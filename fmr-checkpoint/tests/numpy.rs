//! Numbers and short arrays of numpy's, as pickles of modules hold them among their attributes.

#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "other tests use more of what they share")]

mod support;

use fmr_checkpoint::{Checkpoint, CheckpointError, Scalar};
use support::Pickle;

/// `numpy.dtype(name, False, True)` in little-endian order.
fn dtype(pickle: Pickle, name: &str) -> Pickle {
    let pickle = pickle.raw(b"cnumpy\ndtype\n(").str(name).raw(b"\x89\x88tR(K\x03").str("<");
    pickle.raw(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
}

fn bytes(pickle: Pickle, bytes: &[u8]) -> Pickle {
    pickle.raw(b"C").raw(&[u8::try_from(bytes.len()).unwrap()]).raw(bytes)
}

/// A function of numpy's, named directly or as dill does for compiled modules.
fn function(pickle: Pickle, name: &str, dill: bool) -> Pickle {
    if !dill {
        return pickle.raw(format!("cnumpy.core.multiarray\n{name}\n").as_bytes());
    }
    let pickle = pickle.raw(b"cdill._dill\n_get_attr\n(cdill._dill\n_import_module\n");
    pickle.str("numpy.core._multiarray_umath").raw(b"\x85R").str(name).raw(b"tR")
}

fn scalar(pickle: Pickle, dill: bool, name: &str, value: &[u8]) -> Pickle {
    bytes(dtype(function(pickle, "scalar", dill).raw(b"("), name), value).raw(b"tR")
}

fn array(pickle: Pickle, dill: bool, name: &str, shape: &[i32], values: &[u8]) -> Pickle {
    let pickle = function(pickle, "_reconstruct", dill).raw(b"(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01").ints(shape);
    bytes(dtype(pickle, name).raw(b"\x89"), values).raw(b"tb")
}

/// A module with attributes, one of them an array that claims so many elements, and an array beside it.
fn file(dill: bool, elements: i32) -> Result<Checkpoint, CheckpointError> {
    let sizes: Vec<u8> = [36_i64, 52].iter().flat_map(|n| n.to_le_bytes()).collect();
    let pickle = Pickle::new().raw(b"}(").str("net");
    let pickle = pickle.raw(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}(").str("state").raw(b"}(");
    let pickle = pickle.str("_parameters").raw(b"}").str("_buffers").raw(b"}").str("_modules").raw(b"}");
    let pickle = scalar(pickle.str("cutoff"), dill, "f8", &(2.0_f64 / 3.0).to_le_bytes());
    let pickle = scalar(pickle.str("radial"), dill, "b1", &[1]);
    let pickle = scalar(pickle.str("taps"), dill, "i4", &(-12_i32).to_le_bytes());
    let pickle = scalar(pickle.str("lying"), dill, "f8", &[0; 4]);
    let pickle = array(pickle.str("size"), dill, "i8", &[elements], &sizes);
    let pickle = pickle.raw(b"uu\x85R");
    let file = array(pickle.str("weights"), dill, "f4", &[2], &[0; 8]).raw(b"u").end();
    Checkpoint::from_bytes("numpy.pkl", file)
}

#[test]
fn attributes_of_modules_are_plain_values_and_other_arrays_tensors() {
    for dill in [false, true] {
        assert!(file(dill, 3).unwrap_err().to_string().contains("does not fit"));
        let file = file(dill, 2).unwrap();
        assert_eq!(file.scalar("net.cutoff"), Some(&Scalar::Float(2.0 / 3.0)));
        assert_eq!(file.scalar("net.radial"), Some(&Scalar::Bool(true)));
        assert_eq!(file.scalar("net.taps"), Some(&Scalar::Int(-12)));
        assert_eq!(file.scalar("net.lying"), None);
        assert_eq!(file.scalar("net.size.0"), Some(&Scalar::Int(36)));
        assert_eq!(file.scalar("net.size.1"), Some(&Scalar::Int(52)));
        assert_eq!(file.tensors().iter().map(|tensor| tensor.key()).collect::<Vec<_>>(), ["weights"]);
    }
}

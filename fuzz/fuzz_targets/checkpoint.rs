//! Opens arbitrary bytes and uses everything they list.

#![no_main]

use fmr_checkpoint::{Checkpoint, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz", bytes.to_vec()) else {
        return;
    };
    // Tensors may share a storage many times over: a few suffice.
    for tensor in checkpoint.tensors().iter().take(16) {
        if let Ok((shape, values)) = checkpoint.tensor_f32(tensor.key()) {
            assert_eq!(shape.iter().product::<usize>(), values.len());
        }
        let _ = checkpoint.tensor_i64(tensor.key());
    }
    for selection in [Selection::default(), Selection::default().ema(true), Selection::default().prefix("a")] {
        if let Ok(weights) = checkpoint.weights(&selection) {
            let _ = weights.load(|_| true);
        }
    }
    if let Ok(summary) = checkpoint.summary() {
        assert!(summary.to_string().chars().all(|c| c == '\n' || !c.is_control()));
    }
});

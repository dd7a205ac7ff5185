//! Calls keep to their budget of threads. In a process of its own, since PyTorch and numpy have one setting a process.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{context, has, images, library, settings};
use fmr_plugins::host::Limits;

const TORCH: &str = r#"
import torch
torch.set_num_threads(2)

class Threads(torch.nn.Module):
    """The first logit is the number of threads."""
    def forward(self, images):
        return images.mean(dim=(2, 3))[:, :2] * 0 + torch.tensor([torch.get_num_threads(), 2])
"#;

const BLAS: &str = r#"
import numpy
from threadpoolctl import threadpool_info

def threads(images):
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return numpy.full((len(images), 2), blas[0])
"#;

fn with_threads(base: &Path, json: &str, threads: u32) -> f32 {
    let limits = Limits { threads, ..Limits::default() };
    let target = library().target(None, &settings(json), &context(base), &limits).unwrap();
    target.logits(images(1).view()).unwrap()[[0, 0]]
}

#[test]
fn threads_stay_within_the_budget_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    if has("torch") {
        std::fs::write(folder.path().join("net.py"), TORCH).unwrap();
        let json = r#"{"module": "net.py", "attribute": "Threads"}"#;
        // The module asks for two; a budget of none leaves it those.
        let found = [1, 0, 1, 8].map(|threads| with_threads(folder.path(), json, threads));
        assert_eq!(found, [1.0, 2.0, 1.0, 2.0]);
    }
    if has("threadpoolctl") {
        std::fs::write(folder.path().join("blas.py"), BLAS).unwrap();
        let json = r#"{"module": "blas.py", "attribute": "threads"}"#;
        let usual = with_threads(folder.path(), json, 0);
        let found = [1, 0].map(|threads| with_threads(folder.path(), json, threads));
        assert_eq!(found, [1.0, usual]);
    }
}

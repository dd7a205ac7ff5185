//! How fast the kernels of the loop are on one thread, beside the processor's peak:
//! `cargo bench --workspace --bench kernels [-- FILTER]`.
//!
//! Figures are billions of multiply-adds a second. Those of convolutions count the direct sum, which minimal filtering
//! undercuts. The peak is measured with independent multiply-adds. Shapes are those of the scenarios of
//! `bench_loop` (docs/benchmarks.md) and of transformers.

use std::hint::black_box;
use std::time::Instant;

use fmr_nn::kernels::conv::{ConvShape, Rectify, Weights, forward, weight_gradient};
use fmr_nn::kernels::gemm::{Start, View, gemm};
use fmr_nn::kernels::simd::{Lanes, VectorJob, dispatch, isa};
use fmr_nn::kernels::winograd::{self, Tile};

/// Name, rows of A, columns of B, length of the sums.
const PRODUCTS: [(&str, usize, usize, usize); 7] = [
    ("square", 768, 768, 768),
    ("clip b/32 query, key, value", 100, 2304, 768),
    ("clip b/32 mlp", 100, 3072, 768),
    ("vit b/16 mlp, in", 197, 3072, 768),
    ("vit b/16 mlp, out", 197, 768, 3072),
    ("vqgan attention", 512, 196, 512),
    ("small oracle mlp", 260, 512, 128),
];

/// Name, images, channels in and out, side, kernel, stride.
const CONVOLUTIONS: [(&str, usize, usize, usize, usize, usize, usize); 17] = [
    ("paper vqgan 128 at 224", 1, 128, 128, 224, 3, 1),
    ("paper vqgan 256-128 at 112", 1, 256, 128, 112, 3, 1),
    ("paper vqgan 128 at 112", 1, 128, 128, 112, 3, 1),
    ("paper vqgan 256 at 56", 1, 256, 256, 56, 3, 1),
    ("paper vqgan 256 at 28", 1, 256, 256, 28, 3, 1),
    ("paper vqgan 512-256 at 28", 1, 512, 256, 28, 3, 1),
    ("paper vqgan 512 at 14", 1, 512, 512, 14, 3, 1),
    ("paper vqgan to rgb", 1, 128, 3, 224, 3, 1),
    ("paper resnet 64 at 56", 1, 64, 64, 56, 3, 1),
    ("paper resnet 256 pointwise at 56", 1, 64, 256, 56, 1, 1),
    ("paper resnet 256 pointwise at 14", 1, 1024, 256, 14, 1, 1),
    ("paper resnet first", 1, 3, 64, 224, 7, 2),
    ("small vqgan 32 at 32", 4, 32, 32, 32, 3, 1),
    ("small vqgan 64 at 16", 4, 64, 64, 16, 3, 1),
    ("small vqgan 128 at 8", 4, 128, 128, 8, 3, 1),
    ("small resnet 16 at 32", 4, 16, 16, 32, 3, 1),
    ("small resnet 32 at 32, stride 2", 4, 16, 32, 32, 3, 2),
];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    fmr_nn::kernels::parallel::run_serially_on_this_thread(true);
    let peak = peak();
    println!("{:?}, peak {peak:.1} billion multiply-adds a second on one thread\n", isa());
    products(&filter, peak);
    convolutions(&filter, peak);
}

fn products(filter: &str, peak: f64) {
    println!("{:36} {:>10} {:>8}", "product", "GMAC/s", "of peak");
    for (name, m, n, k) in PRODUCTS.into_iter().filter(|(name, ..)| name.contains(filter)) {
        let (a, b) = (values(m * k), values(k * n));
        let mut c = vec![0.0; m * n];
        let work = (m * n * k) as f64 * 1e-9;
        let rate = rate(work, || gemm(m, n, k, View::rows(&a, k), View::rows(&b, n), &mut c, n, Start::Zero));
        println!("{name:36} {rate:10.1} {:7.0} %", 100.0 * rate / peak);
    }
    println!();
}

fn convolutions(filter: &str, peak: f64) {
    println!(
        "{:36} {:>10} {:>8} {:>10} {:>10} {:>8} {:>16}",
        "convolution", "direct", "of peak", "F(2 × 2)", "F(4 × 4)", "chosen", "weight gradient"
    );
    for (name, images, cin, cout, side, kernel, stride) in CONVOLUTIONS {
        if !name.contains(filter) {
            continue;
        }
        let shape = ConvShape { cin, cout, input: [side; 2], kernel: [kernel; 2], stride, pad: [kernel / 2; 4] };
        let [oh, ow] = shape.output();
        let (x, weight) = (values(images * cin * side * side), values(cout * cin * kernel * kernel));
        let mut y = vec![0.0; images * cout * oh * ow];
        let work = (images * cout * oh * ow * cin * kernel * kernel) as f64 * 1e-9;
        let weights = Weights::in_place(&shape, &weight, false).unwrap_or_else(|| Weights::ahead(&shape, &weight));
        let direct = rate(work, || forward(&shape, images, &x, &weights, None, Rectify::None, &mut y));
        print!("{name:36} {direct:10.1} {:7.0} %", 100.0 * direct / peak);
        for tile in [Tile::Two, Tile::Four] {
            if (kernel, stride) == (3, 1) {
                let weights = winograd::Weights::new(&shape, tile, &weight);
                let filtered = || winograd::forward(&shape, images, &x, &weights, None, Rectify::None, &mut y);
                print!(" {:10.1}", rate(work, filtered));
            } else {
                print!(" {:>10}", "–");
            }
        }
        let chosen = winograd::tile(&shape).map_or("direct", |tile| if tile == Tile::Two { "2 × 2" } else { "4 × 4" });
        let mut dw = vec![0.0; weight.len()];
        let gradient = rate(work, || weight_gradient(&shape, images, &x, &y, &mut dw));
        println!(" {chosen:>8} {gradient:16.1}");
    }
}

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
}

/// The best rate of some rounds.
fn rate(work: f64, mut f: impl FnMut()) -> f64 {
    f();
    let rounds = (2.0 / work).clamp(2.0, 200.0) as usize;
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    work / best
}

/// Multiply-adds on as many independent sums as hide their latency.
struct Peak {
    steps: usize,
}

impl VectorJob for Peak {
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        // SAFETY: the instruction set is available by the contract; the buffer holds a vector.
        unsafe {
            let (factor, addend) = (V::splat(black_box(0.999)), V::splat(black_box(0.001)));
            let mut sums = [V::splat(0.0); 10];
            for _ in 0..self.steps {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
            }
            let mut out = [0.0; 16];
            for sum in sums {
                sum.store(out.as_mut_ptr());
                black_box(out);
            }
        }
    }
}

fn peak() -> f64 {
    let lanes = match isa() {
        fmr_nn::kernels::simd::Isa::Avx512 => 16,
        _ => 8,
    };
    let job = Peak { steps: 1_000_000 };
    let work = (job.steps * 10 * lanes) as f64 * 1e-9;
    // SAFETY: the job reads and writes its own values alone.
    rate(work, || unsafe { dispatch(&job) })
}

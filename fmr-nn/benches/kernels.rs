//! Billions of multiply-adds a second (of the direct sum) of the convolutions that dominate the loop, on one thread:
//! `cargo bench --workspace --bench kernels [-- FILTER]`.
//!
//! Shapes are those of the scenarios of `bench_loop` (docs/benchmarks.md).

use std::time::Instant;

use fmr_nn::kernels::conv::{ConvShape, Rectify, forward};
use fmr_nn::kernels::winograd;

/// Name, images, channels in and out, side, kernel, stride.
const SHAPES: [(&str, usize, usize, usize, usize, usize, usize); 14] = [
    ("paper vqgan 128 at 224", 1, 128, 128, 224, 3, 1),
    ("paper vqgan 256-128 at 112", 1, 256, 128, 112, 3, 1),
    ("paper vqgan 128 at 112", 1, 128, 128, 112, 3, 1),
    ("paper vqgan 256 at 56", 1, 256, 256, 56, 3, 1),
    ("paper vqgan 256 at 28", 1, 256, 256, 28, 3, 1),
    ("paper vqgan 512-256 at 28", 1, 512, 256, 28, 3, 1),
    ("paper vqgan 512 at 14", 1, 512, 512, 14, 3, 1),
    ("paper vqgan to rgb", 1, 128, 3, 224, 3, 1),
    ("paper resnet 64 at 56", 1, 64, 64, 56, 3, 1),
    ("paper resnet 256 pointwise at 14", 1, 1024, 256, 14, 1, 1),
    ("small vqgan 32 at 32", 4, 32, 32, 32, 3, 1),
    ("small vqgan 64 at 16", 4, 64, 64, 16, 3, 1),
    ("small vqgan 128 at 8", 4, 128, 128, 8, 3, 1),
    ("small resnet 16 at 32", 4, 16, 16, 32, 3, 1),
];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    fmr_nn::kernels::parallel::run_serially_on_this_thread(true);
    println!("{:36} {:>10} {:>17}", "GMAC/s", "direct", "minimal filtering");
    for (name, images, cin, cout, side, kernel, stride) in SHAPES {
        if !name.contains(&filter) {
            continue;
        }
        let shape = ConvShape { cin, cout, input: [side; 2], kernel: [kernel; 2], stride, pad: [kernel / 2; 4] };
        let [oh, ow] = shape.output();
        let values = |len: usize| (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect::<Vec<_>>();
        let (x, weight) = (values(images * cin * side * side), values(cout * cin * kernel * kernel));
        let mut y = vec![0.0; images * cout * oh * ow];
        let work = (images * cout * oh * ow * cin * kernel * kernel) as f64 * 1e-9;
        let direct = rate(work, || forward(&shape, images, &x, &weight, None, Rectify::None, &mut y));
        print!("{name:36} {direct:10.1}");
        if winograd::suits(&shape) {
            let weight = winograd::transform(&shape, &weight);
            let fast = rate(work, || winograd::forward(&shape, images, &x, &weight, None, Rectify::None, &mut y));
            print!(" {fast:17.1}");
        }
        println!();
    }
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

//! Speed of the convolution kernels on this machine, in GFLOP/s, for the shapes of the small world.

use std::time::Instant;

use fmr_nn::kernels::conv::{ConvShape, flip_weight, forward, input_gradient, weight_gradient};

fn main() {
    for (cin, cout, side, stride, n) in [
        (32, 32, 32, 1, 1),
        (64, 64, 16, 1, 1),
        (128, 128, 8, 1, 1),
        (128, 128, 4, 1, 1),
        (16, 16, 32, 1, 1),
        (3, 32, 32, 1, 1),
        (32, 64, 32, 2, 1),
        (32, 32, 32, 1, 64),
        (64, 64, 16, 1, 64),
        (128, 128, 8, 1, 64),
        (128, 128, 4, 1, 64),
        (16, 16, 32, 1, 64),
        (32, 64, 32, 2, 64),
        (128, 128, 224, 1, 1),
    ] {
        let s = ConvShape { cin, cout, input: [side, side], kernel: [3, 3], stride, pad: [1; 4] };
        let [oh, ow] = s.output();
        let x = vec![0.5; n * cin * side * side];
        let w = vec![0.1; cout * cin * 9];
        let dy = vec![0.3; n * cout * oh * ow];
        let mut y = dy.clone();
        let mut dx = x.clone();
        let mut dw = w.clone();
        let flipped = if stride == 1 { flip_weight(&s, &w) } else { w.clone() };
        let flops = 2.0 * (n * cout * cin * 9 * oh * ow) as f64;
        let time = |f: &mut dyn FnMut()| {
            f();
            let reps = (4e9 / flops).ceil() as usize;
            let t = Instant::now();
            (0..reps).for_each(|_| f());
            flops * reps as f64 / t.elapsed().as_secs_f64() / 1e9
        };
        println!(
            "{cin:>4}->{cout:<4} {side:>3}px stride {stride} batch {n:>3}: forward {:6.1}  dx {:6.1}  dw {:6.1}",
            time(&mut || forward(&s, n, &x, &w, None, fmr_nn::functional::Rectify::None, &mut y)),
            time(&mut || input_gradient(&s, n, &dy, &flipped, &mut dx)),
            time(&mut || weight_gradient(&s, n, &x, &dy, &mut dw)),
        );
    }
}

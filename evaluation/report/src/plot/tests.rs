#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;

use super::{Axis, Line, Plot, Point};

fn plot() -> Plot {
    let line = |name: &str, ys: [f64; 3]| {
        let point = |(x, y): (f64, f64)| Point { x, y, lo: y - 9.0, hi: y + 8.0 };
        Line { name: name.to_owned(), points: [0.001, 0.005, 0.01].into_iter().zip(ys).map(point).collect() }
    };
    Plot {
        id: "fmr-step-size".to_owned(),
        title: "FMR against step size".to_owned(),
        x: Axis { label: "step size (unit of the latent)".to_owned(), log: true, range: None },
        y: Axis { label: "FMR, %".to_owned(), ..Axis::default() },
        lines: vec![line("MNIST · LeNet (n = 100)", [99.0, 74.0, 31.0]), line("<b>&", [88.0, 20.0, 12.0])],
        notes: Vec::new(),
    }
}

#[test]
fn a_plot_as_svg() {
    let drawn = plot().to_svg();
    assert!(!drawn.contains("<b>"));
    assert_snapshot!(drawn.replace("><", ">\n<"));
}

#[test]
fn a_plot_as_png_has_its_lines_and_bands() {
    let png = image::load_from_memory(&plot().to_png().unwrap()).unwrap().to_rgb8();
    assert_eq!(png.width(), 920);
    let count = |colour: [u8; 3]| png.pixels().filter(|pixel| pixel.0 == colour).count();
    let [first, second] = [super::PALETTE[0], super::PALETTE[1]].map(count);
    // A line across the plot is more than 700 pixels long and four wide.
    assert!(first > 2500 && second > 2500, "{first} {second}");
    let white = count([255, 255, 255]);
    let all = (png.width() * png.height()) as usize;
    assert!(white > all / 2 && white < all * 19 / 20, "{white} of {all}");
}

#[test]
fn values_that_are_no_numbers_draw_nothing_strange() {
    let mut strange = plot();
    strange.lines[0].points[1] = Point { x: f64::NAN, y: f64::INFINITY, lo: 0.0, hi: f64::NAN };
    strange.lines[1].points.clear();
    let drawn = strange.to_svg();
    assert!(!drawn.contains("inf") && strange.to_png().is_ok(), "{drawn}");
    strange.lines.clear();
    assert!(!strange.is_drawn() && strange.to_png().is_ok());
}

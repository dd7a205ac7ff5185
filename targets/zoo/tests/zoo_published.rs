//! What each published file is shown, as a table and in bytes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use fmr_core::Target as _;
use fmr_core::preprocess::{Filter, Picture, shorter_side};
use fmr_zoo::{Classifier, Entry, entries, entry};
use ndarray::{Array2, Array4, Axis, s};

/// A row of the table.
struct Row {
    name: String,
    input: [usize; 3],
    /// None where both sides are brought to those of the input.
    shorter: Option<usize>,
    filter: Filter,
    mean: Vec<f32>,
    std: Vec<f32>,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("published.tsv").lines().filter(|line| !line.starts_with('#')).skip(1);
    let row = |line: &str| {
        let [name, input, shorter, filter, mean, std] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let numbers = |text: &str| text.split(',').map(|n| n.parse().unwrap()).collect::<Vec<f32>>();
        let sides: Vec<usize> = input.split('x').map(|n| n.parse().unwrap()).collect();
        Row {
            name: name.to_owned(),
            input: sides.try_into().unwrap(),
            shorter: shorter.parse().ok(),
            filter: if filter == "bicubic" { Filter::Bicubic } else { Filter::Bilinear },
            mean: numbers(mean),
            std: numbers(std),
        }
    };
    lines.map(row).collect()
}

/// A picture of that size in colours.
fn picture([h, w]: [usize; 2]) -> Picture {
    let bytes = (0..3 * h * w).map(|i| ((i * 2_654_435_761_usize) >> 7) as u8);
    Picture { shape: [3, h, w], bytes: bytes.collect() }
}

/// The middle of a picture; an odd remainder is shared by rounding half to even.
fn middle(picture: &Picture, [height, width]: [usize; 2]) -> Picture {
    let [c, h, w] = picture.shape;
    let start = |whole: usize, part: usize| ((whole - part) as f64 / 2.0).round_ties_even() as usize;
    let (top, left) = (start(h, height), start(w, width));
    let row = |k: usize, y: usize| &picture.bytes[(k * h + top + y) * w + left..][..width];
    let bytes = (0..c).flat_map(|k| (0..height).flat_map(move |y| row(k, y).to_vec())).collect();
    Picture { shape: [c, height, width], bytes }
}

/// Resizing and cropping one after the other, each of which the parity fixtures prove.
fn shown(row: &Row, picture: &Picture) -> Picture {
    let [_, h, w] = row.input;
    match row.shorter {
        None => picture.resized([h, w], row.filter),
        Some(shorter) => {
            let size = shorter_side([picture.shape[1], picture.shape[2]], shorter);
            middle(&picture.resized(size, row.filter), [h, w])
        }
    }
}

#[test]
fn every_published_file_is_shown_what_its_table_says() {
    let rows = rows();
    for row in &rows {
        let entry: &Entry = entry(&row.name).unwrap_or_else(|| panic!("{} is not registered", row.name));
        assert_eq!(entry.preprocess.input, row.input, "{}", row.name);
        let wanted = entry.preprocess.wanted();
        let of = |values: &[f32]| (0..row.input[0]).map(|k| values[k % values.len()]).collect::<Vec<_>>();
        assert_eq!((of(&wanted.mean), of(&wanted.std)), (of(&row.mean), of(&row.std)), "{}", row.name);
        if row.input[0] == 3 {
            for size in [[301, 333], [412, 275], [224, 224]] {
                let picture = picture(size);
                assert!(entry.preprocess.picture(&picture) == shown(row, &picture), "{} of {size:?}", row.name);
            }
        }
    }
    let named: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let registered: BTreeSet<&str> = entries().iter().map(|entry| entry.name).collect();
    assert_eq!(named, registered);
}

/// ITU-R 601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

#[test]
fn a_network_of_one_channel_sees_the_luma_of_colours() {
    let entry = entry("cifar-resnet18-w16-grey").unwrap();
    let target = Classifier::random(entry, 1, fmr_nn::device::device("cpu").unwrap());
    let close = |a: &Array2<f32>, b: &Array2<f32>| (a - b).iter().all(|d| d.abs() < 1e-4);
    let colours = Array4::from_shape_fn((2, 3, 32, 32), |(n, c, y, x)| ((7 * n + 3 * c + y * x) % 13) as f32 / 12.0);
    let grey = (0..3).map(|c| &colours.index_axis(Axis(1), c) * LUMA[c]).reduce(|a, b| a + b).unwrap();
    let grey = grey.insert_axis(Axis(1));
    let logits = target.logits(colours.view()).unwrap();
    assert!(close(&logits, &target.logits(grey.view()).unwrap()));
    // The gradient of a colour is that of grey, times the colour's share.
    let pull_back = |images: &Array4<f32>| {
        let (logits, pull_back) = target.logits_with_pullback(images.view()).unwrap();
        pull_back(Array2::ones(logits.dim()).view()).unwrap()
    };
    let (coloured, grey_gradient) = (pull_back(&colours), pull_back(&grey));
    assert!(grey_gradient.iter().any(|g| g.abs() > 1e-4));
    for (c, share) in LUMA.into_iter().enumerate() {
        let wanted = &grey_gradient.slice(s![.., 0, .., ..]) * share;
        let worst = (&coloured.slice(s![.., c, .., ..]) - &wanted).iter().fold(0.0, |m: f32, d| m.max(d.abs()));
        assert!(worst < 1e-4, "{worst}");
    }
    // Pictures from files are turned to grey in bytes.
    let picture = picture([32, 32]);
    let seen = |picture: Picture| target.logits_of_pictures(&[picture]).unwrap().unwrap();
    assert_eq!(seen(picture.clone()), seen(picture.grey()));
}

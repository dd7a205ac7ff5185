//! A picture of the latent grid.

use fmr_core::LatentBlock;
use fmr_mask::{Mask, Unit, channels_and_sites};
use image::{Rgb, RgbImage};

use super::caption::{Piece, under};

const BACKGROUND: Rgb<u8> = Rgb([255, 255, 255]);
const LEFT_OUT: Rgb<u8> = Rgb([228, 231, 235]);
const KEPT: Rgb<u8> = Rgb([38, 70, 83]);
/// Kept with a weight that speaks for the perturbed image, and for the original.
const POSITIVE: Rgb<u8> = Rgb([201, 79, 48]);
const NEGATIVE: Rgb<u8> = Rgb([36, 104, 172]);

/// Gap between channels, in pixels.
const GAP: usize = 3;

/// Wanted width of the grid of channels, and the least and largest side of a latent value there.
const WIDTH: usize = 640;
const CELL: (usize, usize) = (3, 12);

/// Largest side of a site.
const SITE: usize = 32;

/// The rectangle of one block's sites: the last dimension is its width.
struct Grid {
    height: usize,
    width: usize,
    channels: usize,
    /// Channels side by side.
    across: usize,
    /// Side of a latent value.
    cell: usize,
}

impl Grid {
    fn of(block: &LatentBlock) -> Self {
        let (channels, sites) = channels_and_sites(block);
        // Values without sites make better use of the plane as a square.
        let (channels, width) = match block.shape.len() {
            0 | 1 => (1, (channels as f64).sqrt().ceil() as usize),
            _ => (channels, block.shape.last().copied().unwrap_or(1)),
        };
        let sites = if block.shape.len() < 2 { block.shape.first().copied().unwrap_or(1) } else { sites };
        let height = sites.div_ceil(width.max(1));
        let across = (channels as f64).sqrt().ceil() as usize;
        let cell = (WIDTH / (across * width).max(1)).clamp(CELL.0, CELL.1);
        Self { height, width, channels, across, cell }
    }

    fn channel_side(&self) -> (usize, usize) {
        (self.width * self.cell + GAP, self.height * self.cell + GAP)
    }

    /// Width and height of the grid of channels, with a margin.
    fn montage(&self) -> (usize, usize) {
        let (w, h) = self.channel_side();
        (self.across * w + GAP, self.channels.div_ceil(self.across.max(1)) * h + GAP)
    }

    /// Side of a site in the picture of the sites, which is about as high as the grid of channels.
    fn site_side(&self) -> usize {
        (self.montage().1.saturating_sub(2 * GAP) / self.height.max(1)).clamp(CELL.0, SITE)
    }

    fn size(&self) -> (usize, usize) {
        let (w, h) = self.montage();
        let side = self.site_side();
        (w + self.width * side + GAP, h.max(self.height * side + 2 * GAP))
    }
}

/// Draws the latent grid of a mask, blocks from top to bottom. On the left the sites, darker the more channels are kept
/// there. On the right every channel with its kept dimensions: red where the weight speaks for the perturbed image, blue
/// where it speaks for the original, dark where no weight is known. A legend stands below.
pub fn picture(mask: &Mask) -> RgbImage {
    Drawing(mask).picture()
}

/// A mask to be drawn.
struct Drawing<'a>(&'a Mask);

impl Drawing<'_> {
    fn picture(&self) -> RgbImage {
        let (all, kept) = (self.0.kept().len(), self.0.count());
        let summary =
            format!("{kept} of {all} latent values may move ({:.2} % stay)", self.0.sparsity(Unit::Dimension));
        let mut blocks = Vec::new();
        for block in self.0.layout() {
            let (channels, _) = channels_and_sites(block);
            let last = channels.saturating_sub(1);
            blocks.push(format!("{}: {:?}, channels 0 to {last} row by row", block.name, block.shape));
        }
        let order = if blocks.len() > 1 { "; blocks from top to bottom" } else { "" };
        let blocks = format!("right: every channel ({}{order})", blocks.join("; "));
        let present = |colour: Rgb<u8>| (0..all).any(|i| self.0.kept()[i] && self.colour(i) == colour);
        let meanings = [
            (POSITIVE, "a higher value speaks for the perturbed image"),
            (NEGATIVE, "a higher value speaks for the original"),
            (KEPT, "kept, no weight of its own"),
        ];
        let legend: Vec<Piece<'_>> = meanings.into_iter().filter(|m| present(m.0)).map(|m| (Some(m.0), m.1)).collect();
        let sites = "left: sites, darker where more channels are kept".to_owned();
        let texts = [summary, sites, blocks];
        let mut lines: Vec<Vec<Piece<'_>>> = texts.iter().map(|text| vec![(None, text.as_str())]).collect();
        lines.push(legend);
        under(&self.grid(), &lines)
    }

    /// The picture without words.
    fn grid(&self) -> RgbImage {
        let grids: Vec<Grid> = self.0.layout().iter().map(Grid::of).collect();
        let width = grids.iter().map(|g| g.size().0).max().unwrap_or(1);
        let height: usize = grids.iter().map(|g| g.size().1).sum();
        let mut image = RgbImage::from_pixel(width as u32, height.max(1) as u32, BACKGROUND);
        let mut top = GAP;
        for (block, grid) in self.0.layout().iter().zip(&grids) {
            self.draw(&mut image, block, grid, top);
            top += grid.size().1;
        }
        image
    }

    fn draw(&self, image: &mut RgbImage, block: &LatentBlock, grid: &Grid, top: usize) {
        let sites = grid.width * grid.height;
        let len = block.shape.iter().product::<usize>();
        let side = grid.site_side();
        let mut counts = vec![0_usize; sites];
        let (w, h) = grid.channel_side();
        let left = grid.width * side + 2 * GAP;
        let per_channel = len / grid.channels.max(1);
        for i in 0..len {
            let (channel, site) = (i / per_channel, i % per_channel);
            let kept = self.0.kept()[block.offset + i];
            counts[site] += usize::from(kept);
            let (row, column) = (channel / grid.across, channel % grid.across);
            let (y, x) = (site / grid.width, site % grid.width);
            let colour = if kept { self.colour(block.offset + i) } else { LEFT_OUT };
            square(image, left + column * w + x * grid.cell, top + row * h + y * grid.cell, grid.cell, colour);
        }
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        for (site, count) in counts.iter().enumerate().take(per_channel) {
            let (y, x) = (site / grid.width, site % grid.width);
            let share = *count as f64 / most as f64;
            let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
            let colour = Rgb(std::array::from_fn(|k| mix(LEFT_OUT.0[k], KEPT.0[k])));
            // A gap of one pixel keeps neighbouring sites apart.
            square(image, GAP + x * side, top + y * side, (side - 1).max(1), colour);
        }
    }

    /// Colour of a kept value, by the sign of its weight where weights are of dimensions.
    fn colour(&self, index: usize) -> Rgb<u8> {
        let of_dimensions = self.0.learning.as_ref().is_some_and(|l| l.settings.unit == Unit::Dimension);
        match self.0.weights.get(&index).filter(|_| of_dimensions) {
            Some(w) if *w > 0.0 => POSITIVE,
            Some(_) => NEGATIVE,
            None => KEPT,
        }
    }
}

fn square(image: &mut RgbImage, x: usize, y: usize, side: usize, colour: Rgb<u8>) {
    for (dy, dx) in (0..side).flat_map(|dy| (0..side).map(move |dx| (dy, dx))) {
        if let Some(pixel) = image.get_pixel_mut_checked((x + dx) as u32, (y + dy) as u32) {
            *pixel = colour;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn block(shape: &[usize], offset: usize) -> LatentBlock {
        LatentBlock { name: "z".into(), shape: shape.into(), offset }
    }

    fn pixels(image: &RgbImage, colour: Rgb<u8>) -> usize {
        image.pixels().filter(|p| **p == colour).count()
    }

    #[test]
    fn shows_every_kept_value_once() {
        let kept: Vec<usize> = vec![0, 7, 195, 196, 50_175];
        let mask = Mask::of_units(vec![block(&[256, 14, 14], 0)], Unit::Dimension, kept.clone()).unwrap();
        let image = Drawing(&mask).grid();
        let grid = Grid::of(&mask.layout()[0]);
        let side = grid.site_side();
        // Sites 0 and 195 are kept in two channels, site 7 in one: only those two are as dark as a kept value.
        assert_eq!(pixels(&image, KEPT), kept.len() * grid.cell * grid.cell + 2 * (side - 1).pow(2));
        assert!(image.width() < 1200 && image.height() < 1200, "{:?}", image.dimensions());
    }

    #[test]
    fn draws_any_layout() {
        let layout = vec![block(&[3, 2, 5], 0), block(&[512], 30), block(&[4, 6], 542), block(&[2, 3, 2, 2], 566)];
        let d: usize = layout.iter().map(|b| b.shape.iter().product::<usize>()).sum();
        let all = Drawing(&Mask::new(layout.clone(), vec![true; d]).unwrap()).grid();
        let none = Mask::new(layout, vec![false; d]).unwrap();
        let (words, none) = (picture(&none), Drawing(&none).grid());
        assert!(words.height() > none.height() && words.width() >= none.width());
        assert_eq!(pixels(&words, KEPT), 0, "a colour that does not occur needs no legend");
        assert!(pixels(&all, KEPT) >= d * CELL.0 * CELL.0);
        assert_eq!(pixels(&none, KEPT), 0);
    }
}

//! Words on the pictures of a mask.

use image::{Rgb, RgbImage};

use crate::sheet::canvas::{Canvas, Face};

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [40, 44, 52];
const FACE: Face = Face::PLAIN;

/// Height of a line of text.
pub(super) const LINE: u32 = 20;
const MARGIN: u32 = 6;

/// A piece of a line of text, after a square of a colour where one is given.
pub(super) type Piece<'a> = (Option<Rgb<u8>>, &'a str);

/// The picture with lines of text under it, widened where they need more room than it has.
pub(super) fn under(picture: &RgbImage, lines: &[Vec<Piece<'_>>]) -> RgbImage {
    let square = |piece: &Piece<'_>| if piece.0.is_some() { LINE } else { 0 };
    let long =
        |line: &Vec<Piece<'_>>| line.iter().map(|p| square(p) + FACE.width(p.1) + 2 * FACE.advance()).sum::<u32>();
    let width = lines.iter().map(|line| long(line) + MARGIN).max().unwrap_or(0).max(picture.width());
    let height = picture.height() + lines.len() as u32 * LINE + MARGIN;
    let mut canvas = Canvas::new(width, height, PAPER);
    canvas.picture(0, 0, picture);
    for (at, line) in lines.iter().enumerate() {
        let (mut x, y) = (MARGIN, picture.height() + MARGIN / 2 + at as u32 * LINE);
        for piece in line {
            if let Some(colour) = piece.0 {
                canvas.fill([x, y + 3, LINE - 8, LINE - 8], colour.0);
                x += square(piece);
            }
            x = canvas.text(x, y, piece.1, FACE, INK) + 2 * FACE.advance();
        }
    }
    canvas.image
}

/// Writes a heading that begins at (x, y), as far as it fits `width`.
pub(super) fn heading(picture: RgbImage, x: u32, y: u32, text: &str, width: u32) -> RgbImage {
    let mut canvas = Canvas { image: picture };
    canvas.text(x, y, &FACE.fit(text, width), FACE, INK);
    canvas.image
}

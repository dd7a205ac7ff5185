//! JPEG by libjpeg-turbo's own code (in mozjpeg), which decides about refusals and pixels. Both are Pillow's, bit for bit: the
//! transform, the upsampling and the colour conversion are the same.
//!
//! Decoders written anew differ by up to 9 of 255 levels (`docs/data.md` has the figures), and go on after the end of a
//! file with invented pixels.

use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::os::raw::{c_int, c_ulong};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg_sys::{
    J_COLOR_SPACE, JPEG_LIB_VERSION, JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC, JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR,
    JWRN_JPEG_EOF, JWRN_NOT_SEQUENTIAL, JWRN_TOO_MUCH_DATA, jpeg_CreateDecompress, jpeg_common_struct,
    jpeg_decompress_struct, jpeg_destroy_decompress, jpeg_error_mgr, jpeg_finish_decompress, jpeg_mem_src,
    jpeg_read_header, jpeg_read_scanlines, jpeg_start_decompress, jpeg_std_error,
};

use super::{JpegPixels, Limits, Pixels, Refusal, planes};

/// Scans that a file may hold: encoders write some ten. Each costs a pass over all coefficients.
const MOST_SCANS: usize = 100;

pub(super) fn decode(encoded: &[u8], limits: Limits) -> Result<Pixels, Refusal> {
    let scans = encoded.windows(2).filter(|pair| *pair == [0xff, 0xda]).count();
    if scans > MOST_SCANS {
        return Err(Refusal::Unsupported(format!("holds {scans} JPEG scans; at most {MOST_SCANS} are read")));
    }
    WARNING.set(0);
    // libjpeg leaves by unwinding; nothing that outlives the decoder is touched meanwhile.
    let decoded = catch_unwind(AssertUnwindSafe(|| pixels(encoded, limits)));
    let pixels = decoded.unwrap_or_else(|payload| Err(Refusal::Damaged(reason(payload.as_ref()))))?;
    match WARNING.get() {
        0 if limits.jpeg == JpegPixels::Image && !pixels.is_cmyk => rewritten(encoded),
        0 => Ok(pixels.pixels),
        JWRN_JPEG_EOF => Err(Refusal::Damaged("is truncated".to_owned())),
        _ => Err(Refusal::Damaged("holds corrupt data, in whose place pixels would be invented".to_owned())),
    }
}

/// The pixels of a whole picture by the `image` crate's decoder.
fn rewritten(encoded: &[u8]) -> Result<Pixels, Refusal> {
    let picture = image::load_from_memory_with_format(encoded, image::ImageFormat::Jpeg)
        .map_err(|error| Refusal::Damaged(format!("cannot be decoded ({error})")))?
        .to_rgb8();
    let shape = [3, picture.height() as usize, picture.width() as usize];
    Ok((shape, planes(picture.as_raw(), 3, [0, 1, 2])))
}

/// What libjpeg makes of a file.
struct Decoded {
    pixels: Pixels,
    is_cmyk: bool,
}

fn pixels(encoded: &[u8], limits: Limits) -> Result<Decoded, Refusal> {
    let mut decoder = Decoder::new(encoded);
    let [width, height] = decoder.header();
    let is_cmyk = matches!(decoder.state.jpeg_color_space, J_COLOR_SPACE::JCS_CMYK | J_COLOR_SPACE::JCS_YCCK);
    let channels = if is_cmyk { 4 } else { 3 };
    let _turn = limits.admit(width as u64, height as u64, channels as u64)?;
    let wanted = if is_cmyk { J_COLOR_SPACE::JCS_CMYK } else { J_COLOR_SPACE::JCS_RGB };
    let bytes = decoder.pixels(wanted, width * channels, height)?;
    let bytes = if is_cmyk { from_cmyk(&bytes) } else { bytes };
    Ok(Decoded { pixels: ([3, height, width], planes(&bytes, 3, [0, 1, 2])), is_cmyk })
}

/// libjpeg's decoder over bytes in memory. Every call of libjpeg leaves by unwinding where it fails.
struct Decoder<'e> {
    state: Box<jpeg_decompress_struct>,
    /// `state` points to it.
    _errors: Box<jpeg_error_mgr>,
    /// `state` points into it.
    _encoded: &'e [u8],
}

impl<'e> Decoder<'e> {
    fn new(encoded: &'e [u8]) -> Self {
        let mut errors = Box::new(errors());
        // SAFETY: the structure holds numbers and pointers, for which zeros are valid.
        let mut state: Box<jpeg_decompress_struct> = Box::new(unsafe { mem::zeroed() });
        state.common.err = &raw mut *errors;
        // From here on dropping it is right, whatever has been done: libjpeg frees what it finds.
        let mut decoder = Self { state, _errors: errors, _encoded: encoded };
        let size = mem::size_of::<jpeg_decompress_struct>();
        // SAFETY: the structure is valid, has the size stated, and its error manager is set and lives as long.
        unsafe { jpeg_CreateDecompress(&mut *decoder.state, JPEG_LIB_VERSION, size) };
        // SAFETY: the decoder is made, and the bytes outlive it.
        unsafe { jpeg_mem_src(&mut decoder.state, encoded.as_ptr(), encoded.len() as c_ulong) };
        decoder
    }

    /// Reads up to the pixels: width and height.
    fn header(&mut self) -> [usize; 2] {
        // SAFETY: the decoder has a source.
        unsafe { jpeg_read_header(&mut self.state, 1) };
        [self.state.image_width as usize, self.state.image_height as usize]
    }

    /// Reads `height` rows of `row` bytes in the colours wanted, and on to the end marker, without which the file is
    /// truncated.
    fn pixels(&mut self, wanted: J_COLOR_SPACE, row: usize, height: usize) -> Result<Vec<u8>, Refusal> {
        self.state.out_color_space = wanted;
        // SAFETY: the header has been read.
        unsafe { jpeg_start_decompress(&mut self.state) };
        let (columns, rows) = (self.state.output_width as usize, self.state.output_height as usize);
        if [columns * self.state.output_components as usize, rows] != [row, height] {
            return Err(Refusal::Damaged("unpacks to a size that it does not declare".to_owned()));
        }
        let mut bytes = vec![0; row * height];
        for line in bytes.chunks_exact_mut(row) {
            let mut line = line.as_mut_ptr();
            // SAFETY: decompression has begun, and a row has the length that the decoder writes: checked above.
            if unsafe { jpeg_read_scanlines(&mut self.state, &raw mut line, 1) } != 1 {
                return Err(Refusal::Damaged("is truncated".to_owned()));
            }
        }
        // SAFETY: all rows have been read.
        unsafe { jpeg_finish_decompress(&mut self.state) };
        Ok(bytes)
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: the structure is zeroed or in use; libjpeg frees what it holds once, and unwinds nowhere here.
        unsafe { jpeg_destroy_decompress(&mut self.state) };
    }
}

/// Pillow's conversion. It takes every JPEG of four channels for one of Adobe's, whose inks are inverted.
fn from_cmyk(bytes: &[u8]) -> Vec<u8> {
    let rgb = |ink: &[u8]| {
        let key = u32::from(ink[3]);
        [ink[0], ink[1], ink[2]].map(|stored| {
            let product = (255 - u32::from(stored)) * key + 128;
            key.saturating_sub((product + (product >> 8)) >> 8) as u8
        })
    };
    bytes.chunks_exact(4).flat_map(rgb).collect()
}

fn reason(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map_or("libjpeg gave up", String::as_str);
    format!("cannot be decoded ({text})")
}

thread_local! {
    /// The warning of the present decoding that says that pixels are invented; 0 where there is none.
    static WARNING: Cell<c_int> = const { Cell::new(0) };
}

/// Warnings after which every pixel is what the encoder meant: of unknown versions, profiles, and bytes between or after
/// the parts of the file.
const HARMLESS: [c_int; 6] =
    [JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC, JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR, JWRN_NOT_SEQUENTIAL, JWRN_TOO_MUCH_DATA];

/// libjpeg's handlers, except that errors unwind, that nothing is printed and that warnings are looked at.
fn errors() -> jpeg_error_mgr {
    // SAFETY: the structure holds numbers, bytes and optional function pointers, for all of which zeros are valid.
    let mut errors: jpeg_error_mgr = unsafe { mem::zeroed() };
    // SAFETY: `errors` is valid for writes for the whole call, which fills it in and keeps no pointer to it.
    unsafe { jpeg_std_error(&mut errors) };
    errors.error_exit = Some(unwind);
    errors.emit_message = Some(look_at);
    errors
}

/// Leaves the decoder with libjpeg's message.
extern "C-unwind" fn unwind(decoder: &mut jpeg_common_struct) {
    let text = message(decoder);
    std::panic::resume_unwind(Box::new(text));
}

/// libjpeg's words for its last error.
fn message(decoder: &mut jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(*mut jpeg_common_struct, *mut [u8; 80]);
    // SAFETY: libjpeg's callbacks get the error manager that the decoder was made with, which outlives it, or null.
    let format = unsafe { decoder.err.as_ref() }.and_then(|errors| errors.format_message);
    let Some(format) = format else { return "no reason given".to_owned() };
    // SAFETY: the function takes these two pointers; the binding's type says `&` for the second, which it writes to.
    let format = unsafe { mem::transmute::<*const (), Format>(format as *const ()) };
    let mut buffer = [0; 80];
    // SAFETY: both pointers are valid for the call, and the buffer has the length that libjpeg demands.
    unsafe { format(decoder, &mut buffer) };
    String::from_utf8_lossy(buffer.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

extern "C-unwind" fn look_at(decoder: &mut jpeg_common_struct, level: c_int) {
    // Levels from 0 are traces.
    if level >= 0 || decoder.err.is_null() {
        return;
    }
    // SAFETY: as in `message`; the pointer is not null.
    let code = unsafe { (*decoder.err).msg_code };
    // The end of the file says most: corrupt data often follows from it.
    if !HARMLESS.contains(&code) && WARNING.get() != JWRN_JPEG_EOF {
        WARNING.set(code);
    }
}

//! What decoding sees of a latent: where it is the same, so are images and pull-backs, bit for bit.
#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::Generator as _;
use fmr_nn::device::device;
use fmr_vqgan::Vqgan;
use ndarray::{Array2, Array4};

const SIZES: &str = r#"{"embed_dim": 4, "n_embed": 64, "ddconfig": {"ch": 32, "ch_mult": [1, 2], "num_res_blocks": 1,
    "attn_resolutions": [], "resolution": 16, "in_channels": 3, "out_ch": 3, "z_channels": 8}}"#;

#[test]
fn equal_codes_give_equal_images_and_pull_backs() {
    let vqgan = Vqgan::random(&serde_json::from_str(SIZES).unwrap(), [3, 16, 16], 3, device("cpu").unwrap()).unwrap();
    let d = vqgan.spec().latent_len();
    let z = Array2::from_shape_fn((2, d), |(i, j)| ((i * 31 + j * 17) % 101) as f32 / 50.0 - 1.0);
    let near = z.mapv(|v| v + 1e-6);
    let (seen, seen_near) =
        (vqgan.quantized(z.view()).unwrap().unwrap(), vqgan.quantized(near.view()).unwrap().unwrap());
    assert!(seen == seen_near && seen.dim() == (2, d), "a hair's breadth changes no code");
    let cotangent = Array4::from_shape_fn((2, 3, 16, 16), |(i, c, y, x)| ((i + c * 5 + y * 3 + x) % 7) as f32 - 3.0);
    let decode = |z: &Array2<f32>| {
        let (images, back) = vqgan.decode_with_pullback(z.view(), &[0, 1]).unwrap();
        (images, back(cotangent.view()).unwrap())
    };
    let ((image, gradient), (image_near, gradient_near)) = (decode(&z), decode(&near));
    assert!(image == image_near && gradient == gradient_near);
    assert_eq!(image, decode(&seen).0, "codes are their own codes");

    // What is far has other codes, and another image.
    let far = z.mapv(|v| -v);
    assert_ne!(vqgan.quantized(far.view()).unwrap().unwrap(), seen);
    assert_ne!(decode(&far).0, image);
}

//! Generators: VQGAN, diffusion models, very deep VAEs, StyleGAN.

use super::View;

/// VQModel and GumbelVQ of taming-transformers and latent-diffusion.
pub(super) fn taming(view: &View<'_>) -> Option<String> {
    view.shape("decoder.conv_out.weight")?;
    let levels = view.count("encoder.down.");
    let factor = factor(levels)?;
    if let Some(codes) = view.dim("quantize.embed.weight", 0) {
        return Some(format!("a taming GumbelVQ f{factor}, {codes} codes"));
    }
    let codes = view.dim("quantize.embedding.weight", 0)?;
    Some(format!("a taming VQModel f{factor}, {codes} codes"))
}

/// VQModel of diffusers.
pub(super) fn diffusers_vq(view: &View<'_>) -> Option<String> {
    let levels = view.count("encoder.down_blocks.");
    let codes = view.dim("quantize.embedding.weight", 0)?;
    let factor = factor(levels)?;
    Some(format!("a diffusers VQModel f{factor}, {codes} codes"))
}

/// Image sides per latent side: each level but the last halves the resolution. `None` for an absurd number of levels.
fn factor(levels: usize) -> Option<usize> {
    1usize.checked_shl(u32::try_from(levels.checked_sub(1)?).ok()?)
}

/// Snapshots of StyleGAN-XL, and generators converted from them.
pub(super) fn stylegan(view: &View<'_>) -> Option<String> {
    let keys = ["G_ema.mapping.fc0.weight", "mapping.fc0.weight"];
    let first = keys.iter().find_map(|key| view.shape(key))?;
    let root = if view.has(keys[0]) { "G_ema." } else { "" };
    let layer = format!("{root}synthesis.L0_");
    let w_dim = first.first()?;
    let heads = format!("{root}synthesis.");
    if !view.below(&layer) && !view.below(&heads) {
        return None;
    }
    let kind = if view.below("D.") { "a StyleGAN3 training snapshot" } else { "a StyleGAN3 generator" };
    Some(format!("{kind} (w of {w_dim})"))
}

/// Very deep VAEs: the efficient and the original code.
pub(super) fn vdvae(view: &View<'_>) -> Option<String> {
    if view.below("bottom_up.levels_up") {
        return Some("an Efficient-VDVAE".into());
    }
    let original = view.has("decoder.bias_xs.0") || view.has("decoder.gain");
    original.then(|| "a VDVAE".into())
}

/// Networks of improved and guided diffusion, and of MMGeneration.
pub(super) fn diffusion(view: &View<'_>) -> Option<String> {
    if view.below("denoising.in_blocks.") {
        return Some("an MMGeneration diffusion model".into());
    }
    let channels = view.dim("time_embed.0.weight", 1)?;
    view.shape("input_blocks.0.0.weight")?;
    if !view.below("output_blocks.") {
        return Some(format!("a guided-diffusion classifier ({channels} channels)"));
    }
    let condition = if view.has("label_emb.weight") { "class-conditional" } else { "unconditional" };
    Some(format!("a guided-diffusion or improved-diffusion UNet ({condition}, {channels} channels)"))
}

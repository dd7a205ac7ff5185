//! The tables of published models.

use super::{Rule, Rules, highest};

/// CLIP of Hugging Face's transformers in OpenAI's names: projections of query, key and value become one, and the two
/// matrices into the common space are transposed.
#[must_use]
pub fn clip_from_hugging_face() -> Rules {
    const AROUND: &[Rule] = &[
        Rule::new("logit_scale", "logit_scale"),
        Rule::new("visual_projection.weight", "visual.proj").transposed(),
        Rule::new("text_projection.weight", "text_projection").transposed(),
        Rule::new("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        Rule::new("vision_model.embeddings.patch_embedding.{p}", "visual.conv1.{p}"),
        Rule::new("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        // The misspelling is the library's.
        Rule::new("vision_model.pre_layrnorm.{p}", "visual.ln_pre.{p}"),
        Rule::new("vision_model.pre_layernorm.{p}", "visual.ln_pre.{p}"),
        Rule::new("vision_model.post_layernorm.{p}", "visual.ln_post.{p}"),
        Rule::new("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        Rule::new("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        Rule::new("text_model.final_layer_norm.{p}", "ln_final.{p}"),
    ];
    const BLOCK: &[Rule] = &[
        Rule::new("self_attn.q_proj.{p}", "attn.in_proj_{p}").part(0, 3),
        Rule::new("self_attn.k_proj.{p}", "attn.in_proj_{p}").part(1, 3),
        Rule::new("self_attn.v_proj.{p}", "attn.in_proj_{p}").part(2, 3),
        Rule::new("self_attn.out_proj.{p}", "attn.out_proj.{p}"),
        Rule::new("layer_norm1.{p}", "ln_1.{p}"),
        Rule::new("layer_norm2.{p}", "ln_2.{p}"),
        Rule::new("mlp.fc1.{p}", "mlp.c_fc.{p}"),
        Rule::new("mlp.fc2.{p}", "mlp.c_proj.{p}"),
    ];
    Rules::new()
        .table(AROUND)
        .nested("vision_model.encoder.layers.{n}", "visual.transformer.resblocks.{n}", BLOCK)
        .nested("text_model.encoder.layers.{n}", "transformer.resblocks.{n}", BLOCK)
}

/// CLIP of open_clip's newer models, whose text tower stands below `text.`, in OpenAI's names.
#[must_use]
pub fn clip_from_open_clip() -> Rules {
    Rules::new().table(&[Rule::new("text.{rest..}", "{rest..}"), Rule::new("{rest..}", "{rest..}")])
}

/// VQModel of diffusers in the names of taming-transformers: the decoder counts its levels from the other end, and the
/// matrices of attention become kernels. `names` are those of the file.
#[must_use]
pub fn vqgan_from_diffusers<'k>(names: impl Iterator<Item = &'k str>) -> Rules {
    const AROUND: &[Rule] = &[
        Rule::new("{side}.conv_in.{p}", "{side}.conv_in.{p}"),
        Rule::new("{side}.conv_norm_out.{p}", "{side}.norm_out.{p}"),
        Rule::new("{side}.conv_out.{p}", "{side}.conv_out.{p}"),
        Rule::new("{side}.down_blocks.{i}.downsamplers.0.{rest..}", "{side}.down.{i}.downsample.{rest..}"),
        Rule::new("{side}.up_blocks.{i}.upsamplers.0.{rest..}", "{side}.up.{last-i}.upsample.{rest..}"),
        Rule::new("quant_conv.{p}", "quant_conv.{p}"),
        Rule::new("post_quant_conv.{p}", "post_quant_conv.{p}"),
        Rule::new("quantize.{rest..}", "quantize.{rest..}"),
    ];
    const RESIDUAL: &[Rule] =
        &[Rule::new("conv_shortcut.{p}", "nin_shortcut.{p}"), Rule::new("{layer}.{p}", "{layer}.{p}")];
    // Names of today and of old files.
    const ATTENTION: &[Rule] = &[
        Rule::new("group_norm.{p}", "norm.{p}"),
        Rule::new("to_q.{p}", "q.{p}").kernel(),
        Rule::new("query.{p}", "q.{p}").kernel(),
        Rule::new("to_k.{p}", "k.{p}").kernel(),
        Rule::new("key.{p}", "k.{p}").kernel(),
        Rule::new("to_v.{p}", "v.{p}").kernel(),
        Rule::new("value.{p}", "v.{p}").kernel(),
        Rule::new("to_out.0.{p}", "proj_out.{p}").kernel(),
        Rule::new("proj_attn.{p}", "proj_out.{p}").kernel(),
    ];
    let last = highest("decoder.up_blocks.{n}.{rest..}", names).unwrap_or_default();
    Rules::new()
        .table(AROUND)
        .nested("{side}.down_blocks.{i}.resnets.{j}", "{side}.down.{i}.block.{j}", RESIDUAL)
        .nested("{side}.down_blocks.{i}.attentions.{j}", "{side}.down.{i}.attn.{j}", ATTENTION)
        .nested("{side}.up_blocks.{i}.resnets.{j}", "{side}.up.{last-i}.block.{j}", RESIDUAL)
        .nested("{side}.up_blocks.{i}.attentions.{j}", "{side}.up.{last-i}.attn.{j}", ATTENTION)
        .nested("{side}.mid_block.resnets.{j}", "{side}.mid.block_{j+1}", RESIDUAL)
        .nested("{side}.mid_block.attentions.{j}", "{side}.mid.attn_{j+1}", ATTENTION)
        .constant("last", last)
}

/// Networks of MMGeneration's Improved DDPM in the names of improved-diffusion.
#[must_use]
pub fn diffusion_from_mmgeneration() -> Rules {
    const AROUND: &[Rule] = &[
        Rule::new("time_embedding.blocks.{n}.{p}", "time_embed.{n}.{p}"),
        Rule::new("label_embedding.{p}", "label_emb.{p}"),
        Rule::new("out.gn.{p}", "out.0.{p}"),
        Rule::new("out.conv.{p}", "out.2.{p}"),
    ];
    const PARTS: &[Rule] = &[
        Rule::new("{j}.conv_1.{n}.{p}", "{j}.in_layers.{n}.{p}"),
        Rule::new("{j}.norm_with_embedding.embedding_layer.1.{p}", "{j}.emb_layers.1.{p}"),
        Rule::new("{j}.norm_with_embedding.norm.{p}", "{j}.out_layers.0.{p}"),
        Rule::new("{j}.conv_2.2.{p}", "{j}.out_layers.3.{p}"),
        Rule::new("{j}.shortcut.{p}", "{j}.skip_connection.{p}"),
        Rule::new("{j}.proj.{p}", "{j}.proj_out.{p}"),
        Rule::new("{j}.downsample.{p}", "{j}.op.{p}"),
        Rule::new("{j}.{layer}.{p}", "{j}.{layer}.{p}"),
        // The first convolution.
        Rule::new("{j}.{p}", "{j}.{p}"),
    ];
    Rules::new()
        .table(AROUND)
        .nested("in_blocks.{i}", "input_blocks.{i}", PARTS)
        .nested("mid_blocks", "middle_block", PARTS)
        .nested("out_blocks.{i}", "output_blocks.{i}", PARTS)
}

//! Rules one by one, and what cannot be brought into its place.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn name(rules: &Rules, name: &str) -> Option<String> {
    rules.target(name).and_then(|target| target.name)
}

fn tensor(shape: &[usize]) -> Stored {
    let len = shape.iter().product::<usize>();
    Stored { shape: shape.to_vec(), values: (0..len).map(|n| n as f32).collect() }
}

fn dict(tensors: &[(&str, &[usize])]) -> StateDict {
    tensors.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect()
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = Rules::new().table(&[
        Rule::new("head.weight", "fc.weight"),
        Rule::drop("head.unused.{rest..}"),
        Rule::new("head.{rest..}", "classifier.{rest..}"),
        Rule::new("{rest..}.norm.{p}", "{rest..}.ln.{p}"),
        Rule::new("stage{n}.conv_{kind}.w", "{n+1}.{kind}"),
        Rule::new("up.{n}", "up.{last-n}"),
    ]);
    assert_eq!(name(&rules, "head.weight").unwrap(), "fc.weight");
    assert_eq!(name(&rules, "head.a.b").unwrap(), "classifier.a.b");
    assert_eq!(rules.target("head.unused.a.b").unwrap().name, None);
    assert_eq!(name(&rules, "a.b.norm.bias").unwrap(), "a.b.ln.bias");
    assert_eq!(name(&rules, "stage3.conv_in.w").unwrap(), "4.in");
    for unknown in ["norm.bias", "head", "stage.conv_in.w", "stagex.conv_in.w", "stage3.conv_.w", "", "up.1"] {
        assert_eq!(rules.target(unknown), None, "{unknown}");
    }
    let rules = rules.constant("last", 3);
    assert_eq!(name(&rules, "up.1").unwrap(), "up.2");
    for absurd in ["up.4", "up.-1", "stage18446744073709551615.conv_in.w", "up.99999999999999999999999"] {
        assert_eq!(rules.target(absurd), None, "{absurd}");
    }
}

#[test]
fn nothing_is_lost_or_overwritten() {
    let rules = Rules::new().table(&[
        Rule::new("a.{rest..}", "{rest..}"),
        Rule::new("b.{rest..}", "{rest..}"),
        Rule::new("m", "t").transposed(),
        Rule::drop("ids"),
    ]);
    let renamed = rules.apply(dict(&[("a.x", &[1]), ("b.x", &[2]), ("m", &[2]), ("ids", &[1]), ("z", &[1])]));
    assert_eq!(renamed.unmatched, ["b.x", "m", "z"]);
    assert_eq!(renamed.tensors["x"].shape, [1]);
    assert_eq!(renamed.tensors["b.x"].shape, [2]);
    assert_eq!(renamed.tensors.keys().collect::<Vec<_>>(), ["b.x", "m", "x", "z"]);
}

#[test]
fn parts_make_a_whole_only_together() {
    let rules = Rules::new().table(&[
        Rule::new("{n}.q", "{n}.qkv").part(0, 3),
        Rule::new("{n}.k", "{n}.qkv").part(1, 3),
        Rule::new("{n}.v", "{n}.qkv").part(2, 3),
    ]);
    let whole = rules.apply(dict(&[("0.v", &[1, 2]), ("0.q", &[2, 2]), ("0.k", &[1, 2])]));
    assert_eq!(whole.tensors["0.qkv"].shape, [4, 2]);
    assert_eq!(whole.tensors["0.qkv"].values, [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 1.0]);
    assert!(whole.unmatched.is_empty());
    let lacking = rules.apply(dict(&[("0.q", &[2, 2]), ("0.v", &[1, 2])]));
    assert_eq!(lacking.unmatched, ["0.q", "0.v"]);
    let unlike = rules.apply(dict(&[("0.q", &[2, 2]), ("0.k", &[2, 3]), ("0.v", &[1, 2])]));
    assert_eq!(unlike.unmatched, ["0.k", "0.q", "0.v"]);
    assert!(!unlike.tensors.contains_key("0.qkv"));
}

#[test]
fn changes_tell_the_shapes_that_they_make() {
    for (change, before) in [(Change::Transpose, [2, 3]), (Change::Kernel, [2, 3]), (Change::None, [2, 3])] {
        assert_eq!(change.shape(&before), change.apply(tensor(&before)).shape);
    }
    assert_eq!(Change::Transpose.apply(tensor(&[2, 3])).values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(Change::Transpose.apply(tensor(&[2, 0])), tensor(&[0, 2]));
    assert_eq!(Change::Kernel.shape(&[2, 3, 1, 1]), [2, 3, 1, 1]);
    assert_eq!(Change::Part { index: 0, of: 3 }.shape(&[2, 3]), [6, 3]);
}

#[test]
#[should_panic(expected = "two captures share a name")]
fn a_table_that_contradicts_itself_is_a_mistake_of_the_program() {
    let _ = Rules::new().nested("a.{n}", "b.{n}", &[Rule::new("c.{n}", "c.{n}")]);
}

#[test]
fn published_tables_bring_names_into_place() {
    let clip = tables::clip_from_hugging_face();
    for (from, to) in [
        ("vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"),
        ("vision_model.encoder.layers.3.mlp.fc1.bias", "visual.transformer.resblocks.3.mlp.c_fc.bias"),
        ("text_model.encoder.layers.11.self_attn.k_proj.bias", "transformer.resblocks.11.attn.in_proj_bias"),
        ("text_projection.weight", "text_projection"),
        ("logit_scale", "logit_scale"),
    ] {
        assert_eq!(name(&clip, from).unwrap(), to);
    }
    assert_eq!(clip.target("text_projection.weight").unwrap().change, Change::Transpose);
    assert_eq!(name(&clip, "vision_model.encoder.layers.3.mlp.gate.bias"), None);
    let open_clip = tables::clip_from_open_clip();
    assert_eq!(name(&open_clip, "text.ln_final.bias").unwrap(), "ln_final.bias");
    assert_eq!(name(&open_clip, "visual.proj").unwrap(), "visual.proj");

    let vqgan = tables::vqgan_from_diffusers(["decoder.up_blocks.4.a", "decoder.up_blocks.0.a"].into_iter());
    for (from, to) in [
        ("encoder.down_blocks.1.resnets.0.conv_shortcut.weight", "encoder.down.1.block.0.nin_shortcut.weight"),
        ("encoder.down_blocks.1.downsamplers.0.conv.bias", "encoder.down.1.downsample.conv.bias"),
        ("decoder.up_blocks.1.resnets.2.conv1.weight", "decoder.up.3.block.2.conv1.weight"),
        ("decoder.up_blocks.0.attentions.2.to_out.0.bias", "decoder.up.4.attn.2.proj_out.bias"),
        ("decoder.mid_block.resnets.1.norm2.bias", "decoder.mid.block_2.norm2.bias"),
        ("decoder.mid_block.attentions.0.group_norm.bias", "decoder.mid.attn_1.norm.bias"),
        ("decoder.conv_norm_out.bias", "decoder.norm_out.bias"),
        ("quantize.embedding.weight", "quantize.embedding.weight"),
    ] {
        assert_eq!(name(&vqgan, from).unwrap(), to);
    }
    assert_eq!(vqgan.target("encoder.mid_block.attentions.0.query.weight").unwrap().change, Change::Kernel);
    assert_eq!(name(&vqgan, "decoder.up_blocks.5.resnets.0.conv1.weight"), None);
    // No number in a name overflows.
    let absurd = format!("decoder.up_blocks.{}.resnets.0.conv1.weight", usize::MAX);
    let rules = tables::vqgan_from_diffusers([absurd.as_str()].into_iter());
    assert_eq!(name(&rules, &absurd).unwrap(), "decoder.up.0.block.0.conv1.weight");
    let beyond = absurd.replace("up_blocks", "mid_block").replace(".0.", ".");
    assert_eq!(name(&rules, &beyond), None);
}

#[test]
fn a_tensor_is_cut_into_slices() {
    let rules = Rules::new().table(&[
        Rule::new("{b}.qkv.{p}", "{b}.q.{p}").slice(0, 2),
        Rule::new("{b}.qkv.{p}", "{b}.k.{p}").slice(1, 2),
        Rule::new("fc.weight", "fc.weight").matrix(),
    ]);
    let renamed = rules.apply(dict(&[("0.qkv.w", &[4, 1]), ("1.qkv.w", &[3]), ("fc.weight", &[2, 1, 1, 1])]));
    assert_eq!(renamed.unmatched, ["1.qkv.w"], "three rows do not make two slices");
    assert_eq!(renamed.tensors["0.q.w"], Stored { shape: vec![2, 1], values: vec![0.0, 1.0] });
    assert_eq!(renamed.tensors["0.k.w"], Stored { shape: vec![2, 1], values: vec![2.0, 3.0] });
    assert_eq!(renamed.tensors["fc.weight"].shape, [2, 1]);
    let taken = rules.apply(dict(&[("0.q.w", &[1]), ("0.qkv.w", &[2])]));
    assert_eq!(taken.unmatched, ["0.q.w"], "two tensors would have one name");
}

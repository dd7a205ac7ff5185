//! Parity with OpenAI's CLIP, open_clip, and Hugging Face's transformers.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Int, Tensor, TensorData};
use fmr_clip::Preprocess;
use fmr_clip::model::unit;
use fmr_clip::{ClipOracle, Dialect, Opened, Tokenizer, Told, open};
use fmr_core::preprocess::{CropRule, Filter, Fit, Picture, Pipeline, Stage};
use fmr_golden::{Case, Report, Sheet};
use fmr_nn::bridge::Traced;
use fmr_nn::component::Preparation;
use fmr_nn::device::{test_device, test_device_name};
use fmr_nn::probe::Probe;
use ndarray::Array4;

#[test]
fn golden_cases_match() {
    if let Some(folder) = fmr_golden::folder("clip") {
        fmr_golden::compare(&folder, case);
    }
}

#[test]
fn excerpt_matches() {
    fmr_golden::compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/excerpt"), case);
}

fn case(case: &Case) -> Result<Vec<Report<'_>>, String> {
    let Some(file) = case.text("files.checkpoint") else {
        return if case.sheet().wanted().any(|name| name.ends_with(".cropped")) {
            Ok(vec![preprocessing(case)])
        } else {
            Err("it has neither a checkpoint nor pictures".to_owned())
        };
    };
    let opened = open(&case.path(file), Told::default(), &test_device()).unwrap();
    let mut report = case.sheet().report();
    towers(case, opened, &mut report);
    if case.value("zeroshot").is_some() {
        zero_shot(case, &case.path(file), &mut report);
    }
    Ok(vec![report])
}

fn tensor<const D: usize>(sheet: &Sheet, name: &str) -> Tensor<D> {
    let data = TensorData::new(sheet.floats(name).to_vec(), sheet.shape(name).to_vec());
    Tensor::from_data(data, &test_device())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.without_autodiff().into_data().try_into_vec().unwrap()
}

/// A probe's names by those of the cases; upstream projects call the same places otherwise.
fn aliases(name: &str) -> Vec<String> {
    let name = name.to_owned();
    let also = match name.as_str() {
        "visual.conv1" => vec!["visual.patch_embedding"],
        "visual.ln_pre" => vec!["visual.pre_layrnorm", "visual.pre_layernorm"],
        "visual.ln_post" => vec!["visual.ln_post_class", "visual.post_layernorm"],
        "text.ln_final" => vec!["text.final_layer_norm"],
        _ => vec![],
    };
    also.into_iter().map(str::to_owned).chain([name]).collect()
}

fn towers(case: &Case, opened: Opened, report: &mut Report<'_>) {
    let io = case.sheet();
    let Opened { clip, tokenizer, preprocess, .. } = opened;
    let device = test_device();

    // Tokens: the tokenizer's own must be those of the case, up to padding after the end token.
    let shape = io.shape("input.tokens").to_vec();
    let prompts = case.texts("text.prompts");
    assert_eq!(prompts.len(), shape[0], "{}: prompts", case.name());
    let given: Vec<Vec<u32>> =
        io.ints("input.tokens").chunks_exact(shape[1]).map(|row| row.iter().map(|id| *id as u32).collect()).collect();
    let ends: Vec<usize> = given.iter().map(|row| tokenizer.end_of(row)).collect();
    for ((prompt, row), end) in prompts.iter().zip(&given).zip(&ends) {
        let found = tokenizer.encode_cut(prompt, opened.config.text.context);
        assert_eq!(found, row[..=*end], "{}: tokens of {prompt:?}", case.name());
    }
    let text = |name: &str, report: &mut Report<'_>| {
        let shape = io.shape(name).to_vec();
        let ids = TensorData::new(io.ints(name).to_vec(), shape);
        let mut seen = BTreeMap::new();
        let mut view = |name: &str, shape: &[usize], values: &[f32]| {
            seen.insert(name.to_owned(), (shape.to_vec(), values.to_vec()));
        };
        let tokens = Tensor::<2, Int>::from_data(ids, &device);
        let z = clip.text_embedding(tokens, &ends, &mut Probe::to(&mut view));
        for (name, (shape, values)) in &seen {
            let [_, length, width] = shape[..] else { panic!("{name} has shape {shape:?}") };
            let row = |(i, end): (usize, &usize)| values[(i * length + end) * width..][..width].to_vec();
            let rows: Vec<f32> = ends.iter().enumerate().flat_map(row).collect();
            for alias in aliases(name) {
                report.floats(&format!("mid.{alias}_eot"), &rows);
            }
        }
        z
    };
    let z_text = text("input.tokens", report);
    if io.get("input.tokens_zero_padded").is_some() {
        let padded = values(text("input.tokens_zero_padded", report));
        let close = values(z_text.clone()).iter().zip(&padded).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs()));
        assert!(close, "{}: padding changes a text's embedding", case.name());
    }
    report.floats("output.text_embedding", &values(z_text.clone()));
    let texts = unit(z_text);
    report.floats("output.text_unit", &values(texts.clone()));

    let pixels = tensor::<4>(io, "input.pixels");
    let normalised = |x: Tensor<4>| {
        let channel = |v: [f32; 3]| Tensor::<1>::from_floats(v, &device).reshape([1, 3, 1, 1]);
        (x - channel(preprocess.mean)) / channel(preprocess.std)
    };
    report.floats("mid.image", &values(normalised(pixels.clone())));
    let mut seen = BTreeMap::new();
    let mut view = |name: &str, shape: &[usize], values: &[f32]| {
        seen.insert(name.to_owned(), (shape.to_vec(), values.to_vec()));
    };
    let z_image = clip.image_embedding(normalised(pixels.clone()), &mut Probe::to(&mut view));
    for (name, (_, values)) in &seen {
        for alias in aliases(name).iter().map(|alias| format!("mid.{alias}")) {
            // Some cases hold the first image only.
            let wanted = io.get(&alias).map_or(0, |t| t.shape.iter().product());
            report.floats(&alias, if wanted < values.len() { &values[..wanted] } else { values });
        }
    }
    report.floats("output.image_embedding", &values(z_image.clone()));
    report.floats("output.image_unit", &values(unit(z_image)));

    let scale = clip.logit_scale().exp();
    let embed = |x: Tensor<4>| clip.image_embedding(normalised(x), &mut Probe::off());
    let logits = |x: Tensor<4>| {
        fmr_nn::functional::linear(unit(embed(x)), texts.clone().transpose() * scale.clone().unsqueeze(), None)
    };
    let [n, k] = logits(pixels.clone()).dims();
    let found = values(logits(pixels.clone()));
    report.floats("output.logits", &found);
    let labels: Vec<usize> = io.ints("input.labels").iter().map(|l| *l as usize).collect();
    let rows: Vec<&[f32]> = found.chunks_exact(k).collect();
    let best: Vec<usize> = rows.iter().map(|row| fmr_core::logits::argmax(ndarray::ArrayView1::from(*row))).collect();
    let ints = |v: &[usize]| v.iter().map(|i| *i as i64).collect::<Vec<_>>();
    report.ints("output.argmax", &ints(&best));
    let accepted: Vec<usize> = best.iter().zip(&labels).map(|(a, b)| usize::from(a == b)).collect();
    report.ints("output.decision", &ints(&accepted));
    let without = |row: &[f32], leave: usize| {
        row.iter().enumerate().filter(|(j, _)| *j != leave).map(|(_, v)| *v).fold(f32::NEG_INFINITY, f32::max)
    };
    let margin =
        |of: &[usize]| -> Vec<f32> { rows.iter().zip(of).map(|(row, j)| row[*j] - without(row, *j)).collect() };
    report.floats("output.margin_top2", &margin(&best));
    report.floats("output.margin_label", &margin(&labels));
    let probabilities = burn::tensor::activation::softmax(logits(pixels.clone()), 1);
    report.floats("output.probs", &values(probabilities));

    let one_hot: Vec<f32> = (0..n * k).map(|i| if labels[i / k] == i % k { -1.0 / n as f32 } else { 0.0 }).collect();
    let one_hot = Tensor::<2>::from_data(TensorData::new(one_hot, [n, k]), &device);
    let log_softmax = |x| burn::tensor::activation::log_softmax(logits(x), 1);
    report.floats("output.ce", &values((log_softmax(pixels.clone()) * one_hot.clone()).sum()));
    let pull = |cotangent: Tensor<2>, f: &dyn Fn(Tensor<4>) -> Tensor<2>| {
        values(Traced::new(pixels.clone(), f).pull_back(cotangent))
    };
    report.floats("grad.pixels_ce", &pull(one_hot, &log_softmax));
    report.floats("grad.pixels", &pull(tensor(io, "probe.logits"), &logits));
    if io.get("probe.image_embedding").is_some() {
        report.floats("grad.pixels_embedding", &pull(tensor(io, "probe.image_embedding"), &embed));
    }
}

fn zero_shot(case: &Case, file: &Path, report: &mut Report<'_>) {
    let io = case.sheet();
    let context = fmr_core::registry::MakeContext::alone([3, 8, 8])
        .with_base(file.parent().unwrap())
        .with_device(test_device_name());
    let weights = serde_json::json!({ "weights": file });
    let settings = serde_json::from_value(weights).unwrap();
    let oracle = ClipOracle::from_settings(&settings, &context).unwrap();
    let Opened { clip, preprocess, .. } = open(file, Told::default(), &test_device()).unwrap();
    let (classes, templates) = (case.texts("zeroshot.classes"), case.texts("zeroshot.templates"));
    let channel = |v: [f32; 3]| Tensor::<1>::from_floats(v, &test_device()).reshape([1, 3, 1, 1]);
    let x = (tensor::<4>(io, "input.pixels") - channel(preprocess.mean)) / channel(preprocess.std);
    let images = clip.image(x);
    for (name, templates) in [("single", &templates[..1]), ("ensemble", &templates[1..])] {
        let rows = oracle.embed(&classes, templates).unwrap();
        report.floats(&format!("output.classifier_{name}"), &values(rows.clone()));
        let logits = values(images.clone().matmul(rows.transpose() * clip.logit_scale().exp().unsqueeze()));
        report.floats(&format!("output.zeroshot_logits_{name}"), &logits);
        let best: Vec<i64> = logits
            .chunks_exact(classes.len())
            .map(|row| fmr_core::logits::argmax(ndarray::ArrayView1::from(row)) as i64)
            .collect();
        report.ints(&format!("output.zeroshot_argmax_{name}"), &best);
    }
}

/// Height × width × channels to a picture.
fn picture(sheet: &Sheet, name: &str) -> Picture {
    let [h, w, c] = sheet.shape(name)[..] else { panic!("{name} is no picture") };
    let pixels = sheet.ints(name);
    let at = |i: usize| (i / (h * w), i % (h * w));
    let bytes = (0..c * h * w).map(at).map(|(channel, p)| pixels[p * c + channel] as u8).collect();
    Picture { shape: [c, h, w], bytes }
}

fn interleaved(picture: &Picture) -> Vec<i64> {
    let [c, h, w] = picture.shape;
    (0..h * w).flat_map(|p| (0..c).map(move |k| (k, p))).map(|(k, p)| picture.bytes[k * h * w + p].into()).collect()
}

fn preprocessing(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let array3 =
        |path: &str| <[f32; 3]>::try_from(case.numbers(path).iter().map(|v| *v as f32).collect::<Vec<_>>()).unwrap();
    let (mean, std) = (array3("config.mean"), array3("config.std"));
    for input in io.tensors().keys().filter_map(|name| name.strip_prefix("input.")) {
        if input == "levels" {
            let levels = io.floats("input.levels");
            let saved: Vec<i64> = levels.iter().map(|v| (v * 255.0 + 0.5).clamp(0.0, 255.0) as i64).collect();
            report.ints("output.levels.save_image", &saved);
            let cut: Vec<i64> = levels.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0) as i64).collect();
            report.ints("output.levels.to_pil", &cut);
            continue;
        }
        let name = format!("input.{input}");
        let outputs: Vec<String> = io
            .wanted()
            .filter_map(|n| n.strip_prefix("output.")?.strip_prefix(input)?.strip_prefix('.'))
            .map(str::to_owned)
            .collect();
        if io.shape(&name).len() == 4 {
            for output in outputs {
                resized(io, input, &output, [mean, std], &mut report);
            }
            continue;
        }
        let source = picture(io, &name);
        let side = |output: &str| io.shape(&format!("output.{input}.{output}"))[0];
        for output in &outputs {
            let square = if outputs.iter().any(|o| o == "cropped") { side("cropped") } else { side(output) };
            let plain = Preprocess { mean, std, ..Preprocess::of_side(square) };
            let rules = match output.as_str() {
                "cropped_hf" => Preprocess { fit: Fit::Crop { shorter: square, rule: CropRule::Floor }, ..plain },
                "bilinear" => Preprocess { filter: Filter::Bilinear, ..plain },
                "squash" => Preprocess { fit: Fit::Squash, ..plain },
                "longest" => Preprocess { fit: Fit::Pad, ..plain },
                "resized" | "cropped" | "model_input" => plain,
                _ => continue,
            };
            let name = format!("output.{input}.{output}");
            let framing = rules.framing();
            match output.as_str() {
                "resized" => {
                    let [_, h, w] = source.shape;
                    report.ints(&name, &interleaved(&source.resized(framing.resized([h, w]), rules.filter)));
                }
                "model_input" => {
                    let input =
                        Preparation::new(rules.wanted()).pictures("test", std::slice::from_ref(&source)).unwrap();
                    report.floats(&name, input.as_slice().unwrap());
                }
                _ => report.ints(&name, &interleaved(&framing.picture(&source).coloured())),
            }
        }
    }
    report
}

/// A differentiable resize with its gradient.
fn resized(io: &Sheet, input: &str, output: &str, [mean, std]: [[f32; 3]; 2], report: &mut Report<'_>) {
    let (kind, antialias) = output.strip_suffix("_aa").map_or((output, false), |kind| (kind, true));
    let filter = match kind {
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        "area" => Filter::Area,
        _ => return,
    };
    let array = |name: &str| {
        let shape: [usize; 4] = io.shape(name).try_into().unwrap();
        Array4::from_shape_vec(shape, io.floats(name).to_vec()).unwrap()
    };
    let x = array(&format!("input.{input}"));
    let name = format!("output.{input}.{output}");
    let [_, _, h, w] = <[usize; 4]>::try_from(io.shape(&name)).unwrap();
    let (_, c, from_h, from_w) = x.dim();
    let stages = [
        Stage::Resize { size: [h, w], filter, antialias },
        Stage::Normalise { mean: mean.to_vec(), std: std.to_vec() },
    ];
    let pipeline = Pipeline::new([c, from_h, from_w], &stages).unwrap();
    report.floats(&name, pipeline.forward(x.view()).as_slice().unwrap());
    let gradient = pipeline.pull_back(array(&format!("probe.{input}")).view());
    report.floats(&format!("grad.{input}.{output}"), gradient.as_slice().unwrap());
}

/// The rows of a table by their header.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| header.iter().map(|h| (*h).to_owned()).zip(line.split('\t').map(str::to_owned)).collect();
    lines.map(row).collect()
}

fn ids(row: &BTreeMap<String, String>) -> Vec<u32> {
    row["ids"].split(' ').map(|id| id.parse().unwrap()).collect()
}

#[test]
fn golden_tokens_match() {
    if let Some(folder) = fmr_golden::folder("clip") {
        tokens(&folder);
    }
}

#[test]
fn excerpt_of_tokens_matches() {
    tokens(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/excerpt"));
}

fn tokens(folder: &Path) {
    let tokenizer = |dialect| Tokenizer::standard(49408, dialect).unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    let mut compare = |tokenizer: &Tokenizer, text: &str, wanted: &[u32]| {
        compared += 1;
        let found = tokenizer.encode_cut(text, 77);
        if found != wanted {
            wrong.push(format!("{text:?}: {found:?} instead of {wanted:?}"));
        }
    };
    let text = |row: &BTreeMap<String, String>| serde_json::from_str::<String>(&row["text_json"]).unwrap();
    if folder.join("tokens.tsv").is_file() {
        let open_ai = tokenizer(Dialect::OpenAi);
        let others = [("open_clip", tokenizer(Dialect::OpenClip)), ("huggingface", tokenizer(Dialect::HuggingFace))];
        let variants = table(&folder.join("tokens_variants.tsv"));
        for row in table(&folder.join("tokens.tsv")) {
            compare(&open_ai, &text(&row), &ids(&row));
            assert_eq!(open_ai.encode(&text(&row)).len() <= 77, row["fits77"] == "1", "{}", text(&row));
            for (name, tokenizer) in &others {
                let variant = variants.iter().find(|v| v["id"] == row["id"] && v["implementation"] == *name);
                compare(tokenizer, &text(&row), &ids(variant.unwrap_or(&row)));
            }
        }
    }
    if folder.join("imagenet_prompt_tokens.tsv").is_file() {
        let classes = std::fs::read_to_string(folder.join("imagenet_classes.txt")).unwrap();
        let open_ai = tokenizer(Dialect::OpenAi);
        for (class, row) in classes.lines().zip(table(&folder.join("imagenet_prompt_tokens.tsv"))) {
            compare(&open_ai, &format!("an image of {class}"), &ids(&row));
        }
    }
    println!("{compared} texts compared, {} differ", wrong.len());
    assert!(compared > 0, "no list of tokens in {}", folder.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

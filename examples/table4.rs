//! Table 4 of the paper, the attention heads of its transformers, read from the models: `cargo run --release --example table4`.
//!
//! Nothing runs: the numbers follow from the architectures that the rows of Table 1 load.

use fmr::report::{Cell, Column, Grid, Row, WIDTH};
use serde_json::Value;

/// The transformers as Table 1 names them, and how the paper prints their heads: one number, or one a stage.
const MODELS: [(&str, &str); 5] = [
    ("ViT", "vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    ("DeiT", "deit_base_patch16_224.fb_in1k"),
    ("Twins", "twins_svt_base.in1k"),
    ("Visformer", "visformer_small.in1k"),
    ("Swin", "swin_base_patch4_window7_224.ms_in1k"),
];

const PAPER: &str = include_str!("../experiments/paper/table04.tsv");

fn main() -> Result<(), String> {
    let mut grid = Grid::new("heads", "Table 4: attention heads of the transformers").labels(["model"]);
    grid.columns = vec![
        Column::text("network", "network").meaning("the registered model whose architecture is read"),
        Column::text("heads", "heads").meaning("attention heads of each block, or of the blocks of each stage"),
        Column::text("paper", "the paper's").meaning("as the paper prints them"),
        Column::text("same", "same").meaning("whether both are the same"),
    ];
    for (name, model) in MODELS {
        let entry = fmr_zoo::entry(model).ok_or_else(|| format!("{model} is not registered"))?;
        let heads = heads(&serde_json::to_value(&entry.architecture).map_err(|e| e.to_string())?);
        let printed = paper(name).ok_or_else(|| format!("the paper's table has no {name}"))?;
        let same = if heads == printed { "yes" } else { "no" };
        let texts = [("network", model), ("heads", heads.as_str()), ("paper", printed), ("same", same)];
        grid.rows
            .push(texts.into_iter().fold(Row::new([name]), |row, (column, text)| row.with(column, Cell::text(text))));
    }
    grid.caption.remarks = vec![
        "Read from the architectures of the models that Table 1 names; no model is evaluated here.".to_owned(),
        "Twins is Twins-SVT-B: no other member of that family has the paper's heads.".to_owned(),
    ];
    println!("{}\n\n{}", grid.title, grid.to_text(WIDTH));
    Ok(())
}

/// The heads of an architecture: one number, or one a stage in parentheses.
fn heads(architecture: &Value) -> String {
    let list = |values: &mut dyn Iterator<Item = &Value>| {
        let values: Vec<String> = values.map(ToString::to_string).collect();
        format!("({})", values.join(","))
    };
    match (&architecture["heads"], &architecture["stages"]) {
        (Value::Array(stages), _) => list(&mut stages.iter()),
        (Value::Null, Value::Array(stages)) => list(&mut stages.iter().map(|stage| &stage["heads"])),
        (heads, _) => heads.to_string(),
    }
}

/// What the paper prints for a model.
fn paper(model: &str) -> Option<&'static str> {
    PAPER.lines().find_map(|line| line.strip_prefix(model)?.strip_prefix('\t'))
}

//! Synthetic rows as a leaderboard, and its JSON against the schema that is documented.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::metrics::MetricsSettings;
use fmr_experiment::{PaperFigures, World};
use serde_json::Value;

use super::{FORMAT, Leaderboard, ModelCard};
use crate::compare::Contender;
use crate::toy::store;
use crate::{Evidence, Results, RowResults};

const SCHEMA: &str = include_str!("../../../../docs/leaderboard.schema.json");
const CARD: &str = r#"
weights-sha256 = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
authors = ["A. Author", "B. Author"]
parameters = 1234
licence = "MIT"
paper = { title = "A paper", url = "https://example.org/paper" }
"#;

/// Three targets at two step sizes; a fourth under a different oracle.
fn rows(results: &Results<'_>) -> Vec<RowResults> {
    let mut rows = Vec::new();
    for (k, weights) in ["a", "b", "c"].into_iter().enumerate() {
        for step in ["0.001", "0.01"] {
            let mut row = results.rows()[0].clone();
            let mut set = |field: &str, value: String| row.plan.fingerprint.insert(field.to_owned(), value);
            set("target.weights", format!("sha256:{}", weights.repeat(64)));
            set("search.step-size", step.to_owned());
            row.facts.seconds = Some(80.0);
            for record in row.records.iter_mut().filter(|record| record.index % 5 < k) {
                record.final_prediction = Some(record.label);
            }
            rows.push(row);
        }
    }
    let mut other = rows[4].clone();
    other.plan.fingerprint.insert("oracle.weights".to_owned(), "sha256:d".to_owned());
    other.plan.fingerprint.insert("target.weights".to_owned(), "sha256:d".to_owned());
    rows.push(other);
    rows
}

fn board(rows: &[RowResults]) -> Leaderboard {
    let metrics = MetricsSettings::default();
    let names = ["A", "A", "B", "B", "C", "C", "D"];
    let evidence: Vec<Evidence<'_>> = rows
        .iter()
        .zip(names)
        .map(|(row, name)| Evidence {
            experiment: "lab".to_owned(),
            world: World::Small,
            contender: Contender { run: "runs/lab".to_owned(), ..Contender::new(["MNIST", name, name], row, &metrics) },
            paper: PaperFigures::default(),
            views: Vec::new(),
        })
        .collect();
    Leaderboard::of("Board", &evidence, &[ModelCard::parse(CARD).unwrap()], &metrics)
}

#[test]
fn rows_of_one_setting_share_a_table_and_others_are_named() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let board = board(&rows(&results));
    let models = |at: usize| board.tables[at].entries.iter().map(|entry| entry.model.as_str()).collect::<Vec<_>>();
    assert_eq!(board.tables.len(), 2);
    assert_eq!([models(0), models(1)], [["C", "B", "A"], ["C", "B", "A"]]);
    let last = &board.tables[0].entries[2];
    assert_eq!((last.rank, last.parameters, last.seconds_per_image), (3, Some(1234), Some(2.0)));
    let area = last.area.unwrap();
    assert_eq!((area.from, area.to, area.images), (0.001, 0.01, 40));
    // The curve is flat: both step sizes have the same images.
    assert!((area.value.unwrap() - last.fmr.value.unwrap()).abs() < 1e-12);
    let [left_out] = &board.left_out[..] else { panic!("{:?}", board.left_out) };
    assert!(left_out.row.ends_with("MNIST · D") && left_out.why.contains("the oracle"), "{left_out:?}");
    let text = board.report().to_string();
    for words in ["A paper", "A. Author, B. Author", "Rows that are not ranked", "Small world"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(board.report().to_page().contains("<a href=\"https://example.org/paper\""));
}

#[test]
fn the_json_is_what_the_schema_says_and_is_read_back() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let board = board(&rows(&results));
    let json = board.to_json().unwrap();
    let (schema, value): (Value, Value) = (serde_json::from_str(SCHEMA).unwrap(), serde_json::from_str(&json).unwrap());
    expect(&schema, &schema, &value, "$");
    assert_eq!(value["format"], FORMAT);
    assert_eq!(serde_json::from_str::<Leaderboard>(&json).unwrap(), board);
    // The check bites.
    let mut wrong = value.clone();
    wrong["tables"][0]["entries"][0]["rank"] = "first".into();
    assert!(std::panic::catch_unwind(|| expect(&schema, &schema, &wrong, "$")).is_err());
    wrong = value.clone();
    wrong["tables"][0]["entries"][0].as_object_mut().unwrap().remove("sa");
    assert!(std::panic::catch_unwind(|| expect(&schema, &schema, &wrong, "$")).is_err());
}

/// Holds a value against the part of JSON Schema that the file uses.
fn expect(root: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let part = name.strip_prefix("#/$defs/").unwrap();
        return expect(root, &root["$defs"][part], value, at);
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(value, wanted, "{at}");
    }
    if let Some(known) = schema["enum"].as_array() {
        assert!(known.contains(value), "{at} is {value}");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let fits = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    assert!(types.iter().any(fits), "{at} is {value}, not {types:?}");
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        expect(root, &schema["items"], item, &format!("{at}[{i}]"));
    }
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(object.contains_key(name), "{at} lacks {name}");
    }
    for (name, value) in object {
        let place = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => expect(root, schema, value, &place),
            (None, Value::Bool(false)) => panic!("{place} is not in the schema"),
            (None, schema) => expect(root, schema, value, &place),
        }
    }
}

#[test]
fn cards_that_say_nonsense_are_refused() {
    for (text, problem) in [
        ("parameters = 1", "names no model"),
        ("weights-sha256 = [\"abc\"]", "64 hexadecimal digits"),
        ("targets = [\"A\"]\npaper = { title = \"P\", url = \"javascript:alert(1)\" }", "neither http nor https"),
        ("targets = [\"A\"]\nlicense = \"MIT\"", "unknown field `license`"),
    ] {
        let refused = ModelCard::parse(text).unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
}

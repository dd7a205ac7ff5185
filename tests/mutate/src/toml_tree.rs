//! Changes of TOML that keep its structure: other values, other types, keys that are lost, doubled or misspelt.

use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use toml::{Table, Value};

use crate::bytes::{below, change, pick, repetitions};

/// Tables inside each other that a change may add.
const DEPTH: usize = 200;

/// Changes the values of a file up to six times, and at times its text.
pub(crate) fn changed(random: &mut ChaCha8Rng, sound: &Table) -> Vec<u8> {
    let mut root = Value::Table(sound.clone());
    for _ in 0..=below(random, 6) {
        change_somewhere(random, &mut root);
    }
    let text = match root {
        Value::Table(table) => toml::to_string(&table).unwrap_or_default(),
        _ => String::new(),
    };
    let mut bytes = text.into_bytes();
    if below(random, 6) == 0 {
        change(random, &mut bytes);
    }
    bytes
}

/// Goes down to a random place and changes it. The root stays a table.
fn change_somewhere(random: &mut ChaCha8Rng, value: &mut Value) {
    let goes_on = below(random, 4) > 0;
    match value {
        Value::Table(table) => {
            let keys: Vec<String> = table.keys().cloned().collect();
            if keys.is_empty() {
                table.insert(key(random), any(random));
                return;
            }
            let chosen = pick(random, &keys);
            match table.get_mut(chosen) {
                Some(inner) if goes_on && (inner.is_table() || inner.is_array()) => change_somewhere(random, inner),
                _ => change_entry(random, table, chosen, &keys),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = below(random, items.len());
            if goes_on && (items[at].is_table() || items[at].is_array()) {
                change_somewhere(random, &mut items[at]);
                return;
            }
            match below(random, 4) {
                0 => drop(items.remove(at)),
                1 => {
                    let copy = items[at].clone();
                    let times = repetitions(random).min(500);
                    items.extend(std::iter::repeat_n(copy, times));
                }
                2 => items[at] = any(random),
                _ => items.push(any(random)),
            }
        }
        _ => *value = any(random),
    }
}

/// Changes an entry of a table.
fn change_entry(random: &mut ChaCha8Rng, table: &mut Table, chosen: &str, keys: &[String]) {
    let old = table.get(chosen).cloned().unwrap_or(Value::Boolean(true));
    match below(random, 8) {
        0 => drop(table.remove(chosen)),
        // Misspelt.
        1 => {
            table.remove(chosen);
            let mut letters: Vec<char> = chosen.chars().collect();
            let at = below(random, letters.len());
            if at + 1 < letters.len() {
                letters.swap(at, at + 1)
            } else {
                letters.push('s')
            }
            table.insert(letters.into_iter().collect(), old);
        }
        // Where another value belongs.
        2 => drop(table.insert(pick(random, keys).clone(), old)),
        3 => drop(table.insert(key(random), old)),
        _ => drop(table.insert(chosen.to_owned(), altered(random, old))),
    }
}

/// A value like that one, or one of another type.
fn altered(random: &mut ChaCha8Rng, old: Value) -> Value {
    match (old, below(random, 3)) {
        (Value::Integer(n), 0) => Value::Integer(*pick(random, &[0, 1, -1, n.wrapping_add(1), -n, i64::MAX, i64::MIN])),
        (Value::Float(x), 0) => {
            Value::Float(*pick(random, &[0.0, -x, x * 1e9, f64::NAN, f64::INFINITY, 1e308, 5e-324]))
        }
        (Value::String(text), 0) => Value::String(altered_text(random, &text)),
        (Value::Boolean(truth), 0) => Value::Boolean(!truth),
        (old, 1) => Value::Array(vec![old]),
        _ => any(random),
    }
}

fn altered_text(random: &mut ChaCha8Rng, text: &str) -> String {
    match below(random, 6) {
        0 => String::new(),
        1 => text.repeat(1 + repetitions(random).min(5000)),
        2 => format!(
            "{text}{}",
            pick(random, &["\u{1b}[2J", "\u{7}", "\n", "\u{202e}", "../", "{", "}", "{class}", ",", "-"])
        ),
        3 => text.chars().rev().collect(),
        4 => format!("../{text}"),
        _ => text.chars().skip(1).collect(),
    }
}

fn key(random: &mut ChaCha8Rng) -> String {
    let times = repetitions(random).min(5000);
    match below(random, 5) {
        0 => "k".repeat(times),
        1 => "\u{1b}[31m".to_owned(),
        2 => String::new(),
        3 => "a.b.c".to_owned(),
        _ => (*pick(random, &["kind", "name", "id", "vary", "paper", "obtain", "label", "weights", "rows", "base"]))
            .to_owned(),
    }
}

/// A value of any type.
fn any(random: &mut ChaCha8Rng) -> Value {
    match below(random, 10) {
        0 => Value::Integer(random.next_u64() as i64),
        1 => Value::Integer(below(random, 3) as i64),
        2 => Value::Float(f64::from_bits(random.next_u64())),
        3 => Value::Boolean(random.random_bool(0.5)),
        4 => Value::String(String::new()),
        5 => Value::String("s".repeat(repetitions(random))),
        6 => Value::Array((0..repetitions(random).min(2000)).map(|n| Value::Integer(n as i64)).collect()),
        7 => Value::Table(Table::new()),
        8 => {
            let depth = below(random, DEPTH);
            (0..depth).fold(Value::Integer(1), |inner, n| match n % 2 {
                0 => Value::Array(vec![inner]),
                _ => Value::Table(Table::from_iter([("t".to_owned(), inner)])),
            })
        }
        _ => Value::String(
            (*pick(random, &["mnist", "lenet", "0-10", "1-", "-", "sha256:", "\u{1b}]0;x\u{7}"])).to_owned(),
        ),
    }
}

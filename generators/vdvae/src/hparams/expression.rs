//! The Python expressions that configuration files write values as: numbers, texts, lists, `+ - * /`, a few calls.
//!
//! A file may claim anything. Nothing is run; nesting is limited, and so is what all expressions of a file unfold to:
//! `[0] * 1000000000` is refused before it is built. Work and memory are linear in the file's length and that limit.

use std::fmt;

use fmr_checkpoint::shown;

use super::token::{Token, Tokens};

/// Brackets, calls and signs that may be open at once.
const DEPTH: usize = 32;
/// Values and bytes of text that the expressions of a file may unfold to.
pub(crate) const UNFOLDED: usize = 1 << 16;

/// What an expression stands for. Tuples are lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        }
    }

    /// A number; truth values count as 0 and 1.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Int(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Bool(b) => Some(i64::from(*b)),
            Self::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The value for serde. Numbers that JSON has no word for become null.
    pub(crate) fn into_json(self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::None => Json::Null,
            Self::Bool(b) => Json::Bool(b),
            Self::Int(i) => Json::from(i),
            Self::Float(f) => serde_json::Number::from_f64(f).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text),
            Self::List(list) => Json::Array(list.into_iter().map(Self::into_json).collect()),
        }
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpressionError(pub(crate) String);

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn error<T>(problem: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError(problem.into()))
}

/// What the expressions of a file may still unfold to.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(UNFOLDED)
    }
}

impl Budget {
    fn charge(&mut self, values: usize) -> Result<(), ExpressionError> {
        match self.0.checked_sub(values) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => error(format!("the values of the file unfold to more than {UNFOLDED}")),
        }
    }
}

/// The value of an expression. A word that is nothing else stands for itself, as upstream reads it.
pub(crate) fn evaluate(text: &str, budget: &mut Budget) -> Result<Value, ExpressionError> {
    let mut parser = Parser { tokens: Tokens::new(text), budget, depth: 0 };
    let value = parser.tuple()?;
    match parser.tokens.next()? {
        None => Ok(value),
        Some(token) => error(format!("{token} stands where the expression should end")),
    }
}

struct Parser<'t, 'b> {
    tokens: Tokens<'t>,
    budget: &'b mut Budget,
    depth: usize,
}

impl Parser<'_, '_> {
    /// Runs `f` one level deeper.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, ExpressionError>) -> Result<T, ExpressionError> {
        if self.depth == DEPTH {
            return error(format!("more than {DEPTH} brackets or signs are open at once"));
        }
        self.depth += 1;
        let value = f(self);
        self.depth -= 1;
        value
    }

    /// One value, or several with commas between them.
    fn tuple(&mut self) -> Result<Value, ExpressionError> {
        let first = self.sum()?;
        if self.tokens.peek()? != Some(Token::Symbol(',')) {
            return Ok(first);
        }
        let mut list = vec![first];
        while self.tokens.take_symbol(',')? {
            if matches!(self.tokens.peek()?, None | Some(Token::Symbol(')'))) {
                break;
            }
            self.budget.charge(1)?;
            list.push(self.sum()?);
        }
        Ok(Value::List(list))
    }

    fn sum(&mut self) -> Result<Value, ExpressionError> {
        let mut left = self.product()?;
        loop {
            left = match self.tokens.peek()? {
                Some(Token::Symbol('+')) => {
                    self.tokens.next()?;
                    let right = self.product()?;
                    self.add(left, right)?
                }
                Some(Token::Symbol('-')) => {
                    self.tokens.next()?;
                    let right = self.product()?;
                    arithmetic("-", &left, &right, i64::checked_sub, |a, b| a - b)?
                }
                _ => return Ok(left),
            };
        }
    }

    fn product(&mut self) -> Result<Value, ExpressionError> {
        let mut left = self.signed()?;
        loop {
            left = match self.tokens.peek()? {
                Some(Token::Symbol('*')) => {
                    self.tokens.next()?;
                    let right = self.signed()?;
                    self.multiply(left, right)?
                }
                Some(Token::Symbol('/')) => {
                    self.tokens.next()?;
                    let whole = self.tokens.take_symbol('/')?;
                    let right = self.signed()?;
                    divide(&left, &right, whole)?
                }
                _ => return Ok(left),
            };
        }
    }

    fn signed(&mut self) -> Result<Value, ExpressionError> {
        if self.tokens.take_symbol('-')? {
            let value = self.deeper(Self::signed)?;
            return arithmetic("-", &Value::Int(0), &value, i64::checked_sub, |_, b| -b);
        }
        if self.tokens.take_symbol('+')? {
            return self.deeper(Self::signed);
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Value, ExpressionError> {
        self.budget.charge(1)?;
        match self.tokens.next()? {
            Some(Token::Int(i)) => Ok(Value::Int(i)),
            Some(Token::Float(f)) => Ok(Value::Float(f)),
            Some(Token::Text(text)) => {
                self.budget.charge(text.len())?;
                Ok(Value::Text(text.to_owned()))
            }
            Some(Token::Word(word)) => self.word(word),
            Some(Token::Symbol('(')) => {
                if self.tokens.take_symbol(')')? {
                    return Ok(Value::List(Vec::new()));
                }
                let value = self.deeper(Self::tuple)?;
                self.close(')')?;
                Ok(value)
            }
            Some(Token::Symbol('[')) => Ok(Value::List(self.arguments(']')?)),
            Some(token) => error(format!("{token} stands where a value should")),
            None => error("it ends where a value should stand"),
        }
    }

    fn word(&mut self, word: &str) -> Result<Value, ExpressionError> {
        if self.tokens.take_symbol('(')? {
            let arguments = self.arguments(')')?;
            return call(word, arguments);
        }
        Ok(match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::None,
            other => {
                self.budget.charge(other.len())?;
                Value::Text(other.to_owned())
            }
        })
    }

    /// Values with commas between them, to the closing bracket.
    fn arguments(&mut self, end: char) -> Result<Vec<Value>, ExpressionError> {
        let mut list = Vec::new();
        while !self.tokens.take_symbol(end)? {
            list.push(self.deeper(Self::sum)?);
            if !self.tokens.take_symbol(',')? {
                self.close(end)?;
                break;
            }
        }
        Ok(list)
    }

    fn close(&mut self, end: char) -> Result<(), ExpressionError> {
        match self.tokens.next()? {
            Some(Token::Symbol(symbol)) if symbol == end => Ok(()),
            Some(token) => error(format!("{token} stands where \"{end}\" should")),
            None => error(format!("it ends before its \"{end}\"")),
        }
    }

    fn add(&mut self, left: Value, right: Value) -> Result<Value, ExpressionError> {
        // The left side grows in place: a chain of additions costs what its parts cost.
        match (left, right) {
            (Value::List(mut a), Value::List(b)) => {
                a.extend(b);
                Ok(Value::List(a))
            }
            (Value::Text(mut a), Value::Text(b)) => {
                a.push_str(&b);
                Ok(Value::Text(a))
            }
            (a, b) => arithmetic("+", &a, &b, i64::checked_add, |a, b| a + b),
        }
    }

    fn multiply(&mut self, left: Value, right: Value) -> Result<Value, ExpressionError> {
        let times = |value: &Value| value.integer().map(|times| usize::try_from(times).unwrap_or_default());
        match (left, right) {
            (Value::List(list), value) | (value, Value::List(list)) => {
                let times = times(&value).ok_or_else(|| mismatch("*", "a list", value.kind()))?;
                let size = list.iter().map(size).fold(0, usize::saturating_add);
                self.budget.charge(size.saturating_mul(times))?;
                // A list of no values, however often, is none.
                let times = if list.is_empty() { 0 } else { times };
                Ok(Value::List(std::iter::repeat_n(list, times).flatten().collect()))
            }
            (Value::Text(text), value) | (value, Value::Text(text)) => {
                let times = times(&value).ok_or_else(|| mismatch("*", "a text", value.kind()))?;
                self.budget.charge(text.len().saturating_mul(times))?;
                let times = if text.is_empty() { 0 } else { times };
                Ok(Value::Text(text.repeat(times)))
            }
            (a, b) => arithmetic("*", &a, &b, i64::checked_mul, |a, b| a * b),
        }
    }
}

/// Values and bytes of text that a value holds. Values nest no deeper than expressions do.
fn size(value: &Value) -> usize {
    match value {
        Value::List(list) => list.iter().map(size).fold(1, usize::saturating_add),
        Value::Text(text) => text.len().saturating_add(1),
        _ => 1,
    }
}

fn mismatch(operator: &str, a: &str, b: &str) -> ExpressionError {
    ExpressionError(format!("\"{operator}\" does not go between {a} and {b}"))
}

fn arithmetic(
    operator: &str,
    a: &Value,
    b: &Value,
    whole: impl Fn(i64, i64) -> Option<i64>,
    real: impl Fn(f64, f64) -> f64,
) -> Result<Value, ExpressionError> {
    if let (Some(a), Some(b)) = (a.integer(), b.integer()) {
        return whole(a, b).map(Value::Int).ok_or_else(|| ExpressionError("a number is too large".to_owned()));
    }
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => Ok(Value::Float(real(a, b))),
        _ => Err(mismatch(operator, a.kind(), b.kind())),
    }
}

fn divide(a: &Value, b: &Value, whole: bool) -> Result<Value, ExpressionError> {
    let operator = if whole { "//" } else { "/" };
    let (Some(x), Some(y)) = (a.number(), b.number()) else { return Err(mismatch(operator, a.kind(), b.kind())) };
    if y == 0.0 {
        return error("it divides by zero");
    }
    match (a.integer(), b.integer()) {
        (Some(i), Some(j)) if whole => {
            let floor = i.checked_div_euclid(j).map(|q| if j < 0 && i.rem_euclid(j) != 0 { q - 1 } else { q });
            floor.map(Value::Int).ok_or_else(|| ExpressionError("a number is too large".to_owned()))
        }
        _ if whole => Ok(Value::Float((x / y).floor())),
        _ => Ok(Value::Float(x / y)),
    }
}

/// The functions that configurations call.
fn call(name: &str, mut arguments: Vec<Value>) -> Result<Value, ExpressionError> {
    // `max([1, 2])` is `max(1, 2)`.
    if let [Value::List(list)] = &mut arguments[..] {
        arguments = std::mem::take(list);
        if name == "len" {
            return Ok(Value::Int(i64::try_from(arguments.len()).unwrap_or(i64::MAX)));
        }
    }
    let numbers: Vec<f64> = arguments.iter().filter_map(Value::number).collect();
    if numbers.len() != arguments.len() || (numbers.is_empty() && name != "sum") {
        return error(format!("{}(…) takes numbers", shown::escaped(name, shown::TEXT)));
    }
    let extreme = |better: fn(&f64, &f64) -> bool| {
        let best = (1..numbers.len()).fold(0, |best, i| if better(&numbers[i], &numbers[best]) { i } else { best });
        Ok(arguments[best].clone())
    };
    match (name, &numbers[..]) {
        ("max", _) => extreme(|a, b| a > b),
        ("min", _) => extreme(|a, b| a < b),
        ("sum", _) => arguments
            .iter()
            .try_fold(Value::Int(0), |sum, value| arithmetic("+", &sum, value, i64::checked_add, |a, b| a + b)),
        ("abs", [x]) => Ok(if *x < 0.0 {
            arithmetic("-", &Value::Int(0), &arguments[0], i64::checked_sub, |_, b| -b)?
        } else {
            arguments[0].clone()
        }),
        ("float", [x]) => Ok(Value::Float(*x)),
        // A cast cuts off at the ends of the range, as no size of a model is that large.
        ("int", [x]) => Ok(Value::Int(*x as i64)),
        _ => error(format!(
            "{}(…) with {} values is not understood; max, min, sum, len, abs, int and float are",
            shown::escaped(name, shown::TEXT),
            numbers.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn json(text: &str) -> serde_json::Value {
        evaluate(text, &mut Budget::default()).unwrap().into_json()
    }

    fn problem(text: &str) -> String {
        evaluate(text, &mut Budget::default()).unwrap_err().to_string()
    }

    #[test]
    fn expressions_of_published_files() {
        assert_eq!(json("[1] * 3 + [2] + [1] * 2"), json!([1, 1, 1, 2, 1, 1]));
        assert_eq!(json("[2] + [1, 2] + 2 * [1]"), json!([2, 1, 2, 1, 1]));
        assert_eq!(json("(1, 1)"), json!([1, 1]));
        assert_eq!(json("[[3, 5]] * 2"), json!([[3, 5], [3, 5]]));
        assert_eq!(json("1, 2,"), json!([1, 2]));
        assert_eq!(json("(3)"), json!(3));
        assert_eq!(json("8."), json!(8.0));
        assert_eq!(json("1e-4"), json!(1e-4));
        assert_eq!(json("-250."), json!(-250.0));
        assert_eq!(json("32 * 4 / 8"), json!(16.0));
        assert_eq!(json("7 // 2 - -1"), json!(4));
        assert_eq!(json("-7 // 2"), json!(-4));
        assert_eq!(json("7 // -2"), json!(-4));
        assert_eq!(json("max(256, 512)"), json!(512));
        assert_eq!(json("sum([1] * 4) + len([0] * 3)"), json!(7));
        assert_eq!(json("True"), json!(true));
        assert_eq!(json("'std'"), json!("std"));
        assert_eq!(json("\"a\" + 'b' * 2"), json!("abb"));
        assert_eq!(json("Adamax"), json!("Adamax"));
        assert_eq!(json("[0.8, 1., ('linear', 0.7, 0.9)]"), json!([0.8, 1.0, ["linear", 0.7, 0.9]]));
        assert_eq!(json("[]"), json!([]));
        assert_eq!(json("[0] * -1"), json!([]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(problem("[1"), "it ends before its \"]\"");
        assert_eq!(problem("1 +"), "it ends where a value should stand");
        assert_eq!(problem("1 2"), "\"2\" stands where the expression should end");
        assert_eq!(problem("[1] + 2"), "\"+\" does not go between a list and a number");
        assert_eq!(problem("[1] * 2.5"), "\"*\" does not go between a list and a number");
        assert_eq!(problem("1 / 0"), "it divides by zero");
        assert!(problem("exec(1)").contains("is not understood"));
        assert!(problem("9223372036854775807 + 1").contains("too large"));
        assert!(problem("'open").contains("does not end"));
        assert!(problem("1 $ 2").contains('$'));
    }

    #[test]
    fn hostile_expressions_cost_little() {
        let start = std::time::Instant::now();
        for bomb in ["[0] * 1000000000", "[[[0] * 999] * 999] * 999", "'a' * 99999999", "[[]] * 9999999"] {
            assert!(problem(bomb).contains("unfold"), "{bomb}");
        }
        assert_eq!(json("[] * 9223372036854775807"), json!([]));
        for open in ["[", "(", "-", "max(", "+", "[-("] {
            assert!(problem(&open.repeat(100_000)).contains("open at once"), "{open}");
        }
        let chain = "[1] + ".repeat(20_000) + "[1]";
        assert_eq!(json(&chain).as_array().unwrap().len(), 20_001);
        assert!(problem(&"[1] + ".repeat(200_000)).contains("unfold"));
        let long = problem(&format!("{}\u{1b}(1)", "x".repeat(1000)));
        assert!(long.len() < 400 && !long.contains('\u{1b}'), "{long}");
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}

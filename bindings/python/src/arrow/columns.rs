//! Columns, with the buffers that Arrow lays down for each type.

use std::ffi::{CStr, CString};

/// A column: values, and which of them there are.
pub(crate) struct Column {
    name: CString,
    length: usize,
    nulls: usize,
    valid: Vec<u8>,
    values: Values,
}

enum Values {
    Int(Vec<i64>),
    Float(Vec<f64>),
    /// A bit each, the lowest first.
    Bool(Vec<u8>),
    /// Where each text begins, and where the last ends; and the texts.
    Text(Vec<i64>, Vec<u8>),
}

impl Column {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn nulls(&self) -> usize {
        self.nulls
    }

    pub(super) fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    pub(super) fn c_name(&self) -> &CStr {
        &self.name
    }

    /// Arrow's letter for the type.
    pub(super) fn format(&self) -> &'static CStr {
        match self.values {
            Values::Int(_) => c"l",
            Values::Float(_) => c"g",
            Values::Bool(_) => c"b",
            Values::Text(..) => c"U",
        }
    }

    /// The buffers in Arrow's order: which values there are, then the values.
    pub(super) fn buffers(&self) -> Vec<*const u8> {
        let valid = if self.nulls == 0 { std::ptr::null() } else { self.valid.as_ptr() };
        let mut buffers = vec![valid];
        match &self.values {
            Values::Int(values) => buffers.push(values.as_ptr().cast()),
            Values::Float(values) => buffers.push(values.as_ptr().cast()),
            Values::Bool(bits) => buffers.push(bits.as_ptr()),
            Values::Text(ends, bytes) => buffers.extend([ends.as_ptr().cast(), bytes.as_ptr()]),
        }
        buffers
    }
}

/// Makes a column value by value.
pub(crate) struct Builder(Column);

impl Builder {
    /// Whole numbers.
    pub(crate) fn int(name: &str) -> Self {
        Self::new(name, Values::Int(Vec::new()))
    }

    /// Numbers.
    pub(crate) fn float(name: &str) -> Self {
        Self::new(name, Values::Float(Vec::new()))
    }

    /// Truth values.
    pub(crate) fn bool(name: &str) -> Self {
        Self::new(name, Values::Bool(Vec::new()))
    }

    /// Texts.
    pub(crate) fn text(name: &str) -> Self {
        Self::new(name, Values::Text(vec![0], Vec::new()))
    }

    fn new(name: &str, values: Values) -> Self {
        // Names are literals of this crate, without zero bytes.
        let name = CString::new(name).unwrap_or_default();
        Self(Column { name, length: 0, nulls: 0, valid: Vec::new(), values })
    }

    /// Adds a value; `None` where there is none. A value that is not of the column's type counts as none.
    pub(crate) fn push(&mut self, value: &serde_json::Value) {
        let column = &mut self.0;
        let at = column.length;
        let there = match &mut column.values {
            Values::Int(values) => {
                values.push(value.as_i64().unwrap_or_default());
                value.is_i64() || value.is_u64()
            }
            Values::Float(values) => {
                values.push(value.as_f64().unwrap_or(f64::NAN));
                value.is_number()
            }
            Values::Bool(bits) => {
                set(bits, at, value.as_bool().unwrap_or_default());
                value.is_boolean()
            }
            Values::Text(ends, bytes) => {
                bytes.extend_from_slice(value.as_str().unwrap_or_default().as_bytes());
                ends.push(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                value.is_string()
            }
        };
        set(&mut column.valid, at, there);
        column.nulls += usize::from(!there);
        column.length += 1;
    }

    /// The column.
    pub(crate) fn done(self) -> Column {
        self.0
    }
}

/// Sets a bit, the next or an earlier one.
fn set(bits: &mut Vec<u8>, at: usize, value: bool) {
    if at / 8 >= bits.len() {
        bits.push(0);
    }
    bits[at / 8] |= u8::from(value) << (at % 8);
}

//! The stack machine: opcodes of protocols 0 to 5.

use std::collections::HashMap;

use super::value::{BLOCK, GROWTH, Heap, Id, Object, Value};
use crate::error::Fault;
use crate::limits;
use crate::source::Cursor;

/// Reads one pickle up to and including its STOP opcode, and returns the value it describes.
pub(crate) fn load(cursor: &mut Cursor<'_>, heap: &mut Heap<'_>) -> Result<Id, Fault> {
    let mut machine = Machine { cursor, heap, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let position = machine.cursor.position();
        let opcode = machine.cursor.byte()?;
        machine.cursor.budget().steps(1)?;
        if opcode == b'.' {
            return machine.pop();
        }
        machine.step(opcode).map_err(|fault| match fault {
            Fault::Corrupt(detail) => {
                Fault::Corrupt(format!("{detail} (pickle opcode {opcode:#04x} at byte {position})"))
            }
            other => other,
        })?;
    }
}

struct Machine<'m, 's, 'b> {
    cursor: &'m mut Cursor<'s>,
    heap: &'m mut Heap<'b>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_, '_, '_> {
    fn step(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            // Framing and protocol carry no values.
            0x80 => self.cursor.skip(1).map(drop),
            0x95 => self.cursor.skip(8).map(drop),
            b'(' => {
                self.heap.spend(GROWTH * size_of::<usize>())?;
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.pop_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }

            b'N' => self.push(Heap::NONE),
            0x88 => self.push(Heap::TRUE),
            0x89 => self.push(Heap::FALSE),
            b'I' | b'L' => self.text_int(),
            b'J' => {
                let n = i32::from_le_bytes(self.cursor.array()?);
                self.push_value(Value::Int(n.into()))
            }
            b'K' => {
                let n = self.cursor.byte()?;
                self.push_value(Value::Int(n.into()))
            }
            b'M' => {
                let n = u16::from_le_bytes(self.cursor.array()?);
                self.push_value(Value::Int(n.into()))
            }
            0x8a => {
                let len = self.length(1)?;
                self.binary_int(len)
            }
            0x8b => {
                let len = self.length(4)?;
                self.binary_int(len)
            }
            b'F' => {
                let text = self.text_line()?;
                let value = text.trim().parse();
                let value = value.map_err(|_| Fault::corrupt("a malformed number"))?;
                self.push_value(Value::Float(value))
            }
            b'G' => {
                let value = f64::from_be_bytes(self.cursor.array()?);
                self.push_value(Value::Float(value))
            }

            b'X' => self.string(4),
            0x8c => self.string(1),
            0x8d => self.string(8),
            b'T' => self.byte_string(4),
            b'U' => self.byte_string(1),
            b'V' | b'S' => {
                let line = self.text_line()?;
                let text = if opcode == b'S' { unquote(&line) } else { &line };
                self.push_value(Value::Str(text.into()))
            }
            b'B' => self.bytes(4),
            b'C' => self.bytes(1),
            0x8e | 0x96 => self.bytes(8),

            b')' => self.push(Heap::EMPTY_TUPLE),
            b't' => {
                let ids = self.pop_mark()?;
                self.push_value(Value::Tuple(ids.into()))
            }
            0x85..=0x87 => {
                let ids = self.pop_many(usize::from(opcode - 0x84))?;
                self.push_value(Value::Tuple(ids.into()))
            }
            b']' => self.push_value(Value::List(Vec::new())),
            b'l' => {
                let ids = self.pop_mark()?;
                self.push_value(Value::List(ids))
            }
            0x8f => self.push_value(Value::Set(Vec::new())),
            0x91 => {
                let ids = self.pop_mark()?;
                self.push_value(Value::Set(ids))
            }
            b'}' => self.push_value(Value::Dict(Vec::new())),
            b'd' => {
                let items = pairs(&self.pop_mark()?)?;
                self.push_value(Value::Dict(items))
            }
            b'a' => {
                let element = self.pop()?;
                self.extend(vec![element])
            }
            b'e' | 0x90 => {
                let elements = self.pop_mark()?;
                self.extend(elements)
            }
            b's' => {
                let entry = self.pop_many(2)?;
                self.insert(&entry)
            }
            b'u' => {
                let entries = self.pop_mark()?;
                self.insert(&entries)
            }

            b'c' => {
                let class = self.global()?;
                self.push(class)
            }
            0x93 => self.stack_global(),
            b'R' | 0x81 => {
                let (callable, arguments) = self.pop_two()?;
                self.push_object(callable, arguments)
            }
            0x92 => {
                self.pop()?;
                let (class, arguments) = self.pop_two()?;
                self.push_object(class, arguments)
            }
            b'i' => {
                let class = self.global()?;
                let arguments = self.pop_mark()?;
                let arguments = self.heap.add(Value::Tuple(arguments.into()))?;
                self.push_object(class, arguments)
            }
            b'o' => {
                let mut ids = self.pop_mark()?;
                if ids.is_empty() {
                    return Err(Fault::corrupt("an instance without a class"));
                }
                let class = ids.remove(0);
                let arguments = self.heap.add(Value::Tuple(ids.into()))?;
                self.push_object(class, arguments)
            }
            b'b' => self.build(),
            b'Q' => {
                let id = self.pop()?;
                self.push_value(Value::Persistent(id))
            }
            b'P' => {
                let text = self.text_line()?;
                let id = self.heap.add(Value::Str(text.into()))?;
                self.push_value(Value::Persistent(id))
            }

            b'q' => {
                let index = self.cursor.byte()?;
                self.put(index.into())
            }
            b'r' => {
                let index = u32::from_le_bytes(self.cursor.array()?);
                self.put(index)
            }
            b'p' => {
                let index = self.text_index()?;
                self.put(index)
            }
            0x94 => {
                let index = u32::try_from(self.memo.len());
                self.put(index.map_err(|_| Fault::corrupt("too many memo entries"))?)
            }
            b'h' => {
                let index = self.cursor.byte()?;
                self.recall(index.into())
            }
            b'j' => {
                let index = u32::from_le_bytes(self.cursor.array()?);
                self.recall(index)
            }
            b'g' => {
                let index = self.text_index()?;
                self.recall(index)
            }
            0x82..=0x84 | 0x97 | 0x98 => Err(Fault::unsupported(
                "its pickle uses the extension registry or out-of-band buffers; save it again with torch.save",
            )),
            _ => Err(Fault::corrupt("an unknown pickle opcode")),
        }
    }

    // The stack. Nothing below the last mark may be taken by an opcode that does not consume the mark.

    fn push(&mut self, id: Id) -> Result<(), Fault> {
        self.heap.spend(GROWTH * size_of::<Id>())?;
        self.stack.push(id);
        Ok(())
    }

    fn push_value(&mut self, value: Value) -> Result<(), Fault> {
        let id = self.heap.add(value)?;
        self.push(id)
    }

    fn available(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Fault> {
        if self.available() < count {
            return Err(Fault::corrupt("the pickle's stack runs empty"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_two(&mut self) -> Result<(Id, Id), Fault> {
        let second = self.pop()?;
        Ok((self.pop()?, second))
    }

    fn top(&self) -> Result<Id, Fault> {
        let top = self.stack.last().filter(|_| self.available() > 0);
        top.copied().ok_or_else(|| Fault::corrupt("the pickle's stack runs empty"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| Fault::corrupt("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    /// POP removes a value, or the mark when nothing lies above it.
    fn discard(&mut self) -> Result<(), Fault> {
        if self.available() > 0 {
            self.stack.pop();
            return Ok(());
        }
        self.pop_mark().map(drop)
    }

    // Numbers, strings and bytes.

    /// A length of 1, 4 or 8 bytes that the rest of the pickle can hold.
    fn length(&mut self, width: u8) -> Result<u64, Fault> {
        let len = match width {
            1 => u64::from(self.cursor.byte()?),
            4 => u64::from(u32::from_le_bytes(self.cursor.array()?)),
            _ => u64::from_le_bytes(self.cursor.array()?),
        };
        if len > self.cursor.remaining() {
            return Err(Fault::corrupt(format!("a length of {len} bytes where {} are left", self.cursor.remaining())));
        }
        Ok(len)
    }

    fn binary_int(&mut self, len: u64) -> Result<(), Fault> {
        if len > 8 {
            self.cursor.skip(len)?;
            return self.push_value(Value::LargeInt);
        }
        let bytes = self.cursor.bytes(len, 8)?;
        let negative = bytes.last().is_some_and(|&high| high & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        self.push_value(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text_int(&mut self) -> Result<(), Fault> {
        let text = self.text_line()?;
        let digits = text.trim().trim_end_matches('L');
        match digits {
            "00" => return self.push(Heap::FALSE),
            "01" => return self.push(Heap::TRUE),
            _ => {}
        }
        let value = match digits.parse() {
            Ok(n) => Value::Int(n),
            Err(_) if is_integer(digits) => Value::LargeInt,
            Err(_) => return Err(Fault::corrupt("a malformed integer")),
        };
        self.push_value(value)
    }

    fn text_index(&mut self) -> Result<u32, Fault> {
        let text = self.text_line()?;
        let index = text.trim().parse();
        index.map_err(|_| Fault::corrupt("a malformed memo index"))
    }

    fn text_line(&mut self) -> Result<String, Fault> {
        let line = self.cursor.line(limits::LINE_BYTES)?;
        String::from_utf8(line).map_err(|_| Fault::corrupt("text that is not UTF-8"))
    }

    fn string(&mut self, width: u8) -> Result<(), Fault> {
        let len = self.length(width)?;
        let bytes = self.cursor.bytes(len, limits::STRING_BYTES)?;
        // Python may write lone surrogates; no key that matters holds one.
        let text = String::from_utf8_lossy(&bytes);
        self.push_value(Value::Str(text.into()))
    }

    /// A string of Python 2, which may be text or bytes.
    fn byte_string(&mut self, width: u8) -> Result<(), Fault> {
        let len = self.length(width)?;
        if len > limits::LINE_BYTES {
            let span = self.cursor.skip(len)?;
            return self.push_value(Value::Bytes(span));
        }
        let start = self.cursor.bytes(len, limits::LINE_BYTES)?;
        let text = String::from_utf8_lossy(&start);
        self.push_value(Value::Str(text.into()))
    }

    fn bytes(&mut self, width: u8) -> Result<(), Fault> {
        let len = self.length(width)?;
        let span = self.cursor.skip(len)?;
        self.push_value(Value::Bytes(span))
    }

    // Objects and containers.

    fn push_object(&mut self, callable: Id, arguments: Id) -> Result<(), Fault> {
        self.push_value(Value::Object(Box::new(Object {
            callable,
            arguments,
            state: None,
            items: Vec::new(),
            elements: Vec::new(),
        })))
    }

    /// A class or function whose module and name are the next two lines.
    fn global(&mut self) -> Result<Id, Fault> {
        let module = self.text_line()?;
        let name = self.text_line()?;
        let module = self.heap.add(Value::Str(module.into()))?;
        let name = self.heap.add(Value::Str(name.into()))?;
        self.heap.add(Value::Global(module, name))
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let (module, name) = self.pop_two()?;
        if self.heap.str(module).is_none() || self.heap.str(name).is_none() {
            return Err(Fault::corrupt("a class without a name"));
        }
        self.push_value(Value::Global(module, name))
    }

    fn build(&mut self) -> Result<(), Fault> {
        let new_state = self.pop()?;
        let target = self.top()?;
        // An attribute set on a plain dict, list or class holds no tensors.
        if let Some(Value::Object(object)) = self.heap.get_mut(target) {
            object.state = Some(new_state);
        }
        Ok(())
    }

    fn extend(&mut self, new: Vec<Id>) -> Result<(), Fault> {
        let target = self.top()?;
        self.heap.spend(GROWTH * size_of::<Id>() * new.len() + BLOCK)?;
        match self.heap.get_mut(target) {
            Some(Value::List(ids) | Value::Set(ids)) => ids.extend(new),
            Some(Value::Object(object)) => object.elements.extend(new),
            _ => return Err(Fault::corrupt("elements for something that is no list")),
        }
        Ok(())
    }

    fn insert(&mut self, entries: &[Id]) -> Result<(), Fault> {
        let new = pairs(entries)?;
        let target = self.top()?;
        self.heap.spend(GROWTH * size_of_val(entries) + BLOCK)?;
        match self.heap.get_mut(target) {
            Some(Value::Dict(items)) => items.extend(new),
            Some(Value::Object(object)) => object.items.extend(new),
            _ => return Err(Fault::corrupt("entries for something that is no dict")),
        }
        Ok(())
    }

    // The memo.

    fn put(&mut self, index: u32) -> Result<(), Fault> {
        let top = self.top()?;
        self.heap.spend(2 * GROWTH * size_of::<(u32, Id)>())?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), Fault> {
        let id = self.memo.get(&index).copied();
        self.push(id.ok_or_else(|| Fault::corrupt(format!("memo entry {index} is missing")))?)
    }
}

fn pairs(ids: &[Id]) -> Result<Vec<(Id, Id)>, Fault> {
    let (pairs, rest) = ids.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::corrupt("a key without a value"));
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The text between the quotes of a protocol-0 string.
fn unquote(line: &str) -> &str {
    let line = line.trim();
    let inner = ['\'', '"'].iter().find_map(|&quote| line.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(line)
}

#[cfg(test)]
mod tests;

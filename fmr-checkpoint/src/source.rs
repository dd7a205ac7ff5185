//! Random access to the bytes of a checkpoint, and a bounded forward reader over a part of them.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{CheckpointError, Fault};
use crate::limits::Budget;
use crate::regular;

/// A range of bytes of the file. Holding a span costs nothing; the bytes are read when they are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Span {
    /// `len` bytes from `start`, if they lie inside this span.
    pub(crate) fn part(self, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        let offset = self.offset.checked_add(start)?;
        (end <= self.len).then_some(Self { offset, len })
    }
}

/// The bytes of a checkpoint: a file that is read by seeking, or memory.
pub(crate) struct Source {
    bytes: Bytes,
    len: u64,
}

enum Bytes {
    File(Mutex<File>),
    Memory(Vec<u8>),
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let (file, len) = regular::open(path)?;
        Ok(Self { len, bytes: Bytes::File(Mutex::new(file)) })
    }

    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, bytes: Bytes::Memory(bytes) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn span(&self) -> Span {
        Span { offset: 0, len: self.len }
    }

    /// Fills `buffer` with the bytes at `offset`.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let wanted = Span { offset, len: buffer.len() as u64 };
        if self.span().part(offset, wanted.len).is_none() {
            return Err(Fault::corrupt(format!(
                "{} bytes at offset {offset} lie beyond the end of the file ({} bytes)",
                wanted.len, self.len
            )));
        }
        match &self.bytes {
            Bytes::File(file) => {
                // A panic elsewhere cannot leave the file in a bad state: every read seeks first.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset)).map_err(Fault::Io)?;
                file.read_exact(buffer).map_err(Fault::Io)
            }
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).ok();
                let found = start.and_then(|start| bytes.get(start..)?.get(..buffer.len()));
                let found = found.ok_or_else(|| Fault::corrupt("a read beyond the end"))?;
                buffer.copy_from_slice(found);
                Ok(())
            }
        }
    }

    /// Reads a whole span of at most `limit` bytes; memory is reserved only after the span is known to exist.
    pub(crate) fn read(&self, span: Span, limit: u64) -> Result<Vec<u8>, Fault> {
        if span.len > limit {
            return Err(Fault::corrupt(format!(
                "a record of {} bytes is larger than the {limit} that are plausible",
                span.len
            )));
        }
        let inside = self.span().part(span.offset, span.len).is_some();
        let len = usize::try_from(span.len).ok().filter(|_| inside);
        let len = len.ok_or_else(|| {
            Fault::corrupt(format!(
                "a record of {} bytes at offset {} lies beyond the end of the file ({} bytes)",
                span.len, span.offset, self.len
            ))
        })?;
        let mut buffer = vec![0; len];
        self.read_at(span.offset, &mut buffer)?;
        Ok(buffer)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.len)
    }
}

/// Reads a span from its start, through a small buffer. What is read, but not what is skipped, goes to the budget.
pub(crate) struct Cursor<'s> {
    source: &'s Source,
    budget: &'s Budget,
    span: Span,
    position: u64,
    buffer: Vec<u8>,
    buffer_start: u64,
}

impl<'s> Cursor<'s> {
    const BUFFER: u64 = 16 << 10;

    pub(crate) fn new(source: &'s Source, span: Span, budget: &'s Budget) -> Self {
        Self { source, budget, span, position: 0, buffer: Vec::new(), buffer_start: 0 }
    }

    pub(crate) fn budget(&self) -> &'s Budget {
        self.budget
    }

    /// Bytes already read or skipped.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.span.len - self.position
    }

    fn truncated(&self, wanted: u64) -> Fault {
        Fault::corrupt(format!(
            "{wanted} bytes are needed at byte {} of a part that ends after {}",
            self.position, self.span.len
        ))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        let buffered = self.position.wrapping_sub(self.buffer_start);
        if buffered >= self.buffer.len() as u64 {
            self.fill()?;
            return self.byte_at(0);
        }
        self.byte_at(buffered)
    }

    fn byte_at(&mut self, index: u64) -> Result<u8, Fault> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let byte = *self.buffer.get(index).ok_or_else(|| self.truncated(1))?;
        self.position += 1;
        self.budget.read(1);
        Ok(byte)
    }

    fn fill(&mut self) -> Result<(), Fault> {
        let len = self.remaining().min(Self::BUFFER);
        if len == 0 {
            return Err(self.truncated(1));
        }
        self.buffer.resize(len as usize, 0);
        self.buffer_start = self.position;
        self.source.read_at(self.span.offset + self.position, &mut self.buffer)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// Passes over `len` bytes and says where they lie.
    pub(crate) fn skip(&mut self, len: u64) -> Result<Span, Fault> {
        let span = self.span.part(self.position, len);
        let span = span.ok_or_else(|| self.truncated(len))?;
        self.position += len;
        Ok(span)
    }

    /// Reads `len` bytes, of which there may be at most `limit`.
    pub(crate) fn bytes(&mut self, len: u64, limit: u64) -> Result<Vec<u8>, Fault> {
        let start = self.position.wrapping_sub(self.buffer_start);
        if let (Ok(start), Ok(count)) = (usize::try_from(start), usize::try_from(len))
            && let Some(end) = start.checked_add(count)
            && len <= limit
            && let Some(found) = self.buffer.get(start..end)
        {
            self.position += len;
            self.budget.read(len);
            return Ok(found.to_vec());
        }
        let span = self.skip(len)?;
        let bytes = self.source.read(span, limit)?;
        self.budget.read(len);
        Ok(bytes)
    }

    /// Reads up to the next line feed, which is consumed and not returned.
    pub(crate) fn line(&mut self, limit: u64) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte if (line.len() as u64) < limit => line.push(byte),
                _ => return Err(Fault::corrupt("a text line without an end")),
            }
        }
    }
}

//! The part of the zip format that PyTorch writes: stored entries, zip64, padded local headers.

use std::collections::HashMap;

use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::shown;
use crate::source::{Source, Span};

const END: &[u8; 4] = b"PK\x05\x06";
const END_LEN: u64 = 22;
const END64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
const END64: &[u8; 4] = b"PK\x06\x06";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";

/// The directory of a zip archive.
#[derive(Debug)]
pub(crate) struct Archive<'s> {
    source: &'s Source,
    entries: HashMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    method: u16,
    encrypted: bool,
    size: u64,
    stored_size: u64,
    header: u64,
}

impl<'s> Archive<'s> {
    pub(crate) fn open(source: &'s Source, budget: &Budget) -> Result<Self, Fault> {
        let directory = find_directory(source)?;
        let bytes = source.read(directory, limits::INDEX_BYTES)?;
        budget.read(directory.len);
        let mut entries = HashMap::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (name, entry, next) =
                central_entry(rest).ok_or_else(|| Fault::corrupt("the zip directory is malformed"))?;
            budget.text(name.len())?;
            budget.memory(name.len() + 2 * size_of::<(String, Entry)>() + 64)?;
            if entries.contains_key(&name) {
                return Err(Fault::corrupt(format!("the zip entry {} occurs twice", shown::key(&name))));
            }
            entries.insert(name, entry);
            rest = next;
        }
        Ok(Self { source, entries })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where the bytes of an entry lie, or `None` if there is no such entry.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Span>, Fault> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let name = shown::key(name);
        if entry.encrypted {
            return Err(Fault::unsupported(format!("its entry {name} is encrypted")));
        }
        if entry.method != 0 || entry.size != entry.stored_size {
            return Err(Fault::unsupported(format!(
                "its entry {name} is compressed, which torch.save never does; unpack the archive and store it again with `zip -0 -r`"
            )));
        }
        // The local header is padded differently from the directory's copy: only it tells where the data start.
        let mut header = [0; 30];
        self.source.read_at(entry.header, &mut header)?;
        if !header.starts_with(LOCAL) {
            return Err(Fault::corrupt(format!("the zip entry {name} has no header")));
        }
        let names = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        // The header was read, so its offset is far from overflow.
        let start = entry.header + header.len() as u64 + names;
        let span = self.source.span().part(start, entry.size);
        span.map(Some).ok_or_else(|| {
            Fault::corrupt(format!("the zip entry {name} of {} bytes lies beyond the end of the file", entry.size))
        })
    }
}

/// Finds the central directory through the end record, which a comment may follow.
fn find_directory(source: &Source) -> Result<Span, Fault> {
    let missing = || Fault::corrupt("the zip directory at the end is missing, the file is cut short");
    let tail_len = source.len().min(END_LEN + u64::from(u16::MAX));
    let tail_start = source.len() - tail_len;
    let tail = source.read(Span { offset: tail_start, len: tail_len }, tail_len)?;
    let last = tail.len().checked_sub(END_LEN as usize).ok_or_else(missing)?;
    let end = (0..=last).rev().find(|&at| tail[at..].starts_with(END));
    let end = end.ok_or_else(missing)?;
    let record = &tail[end..];
    let mut len = u64::from(u32_at(record, 12));
    let mut offset = u64::from(u32_at(record, 16));
    let locator_at = (tail_start + end as u64).checked_sub(20);
    if let Some(locator_at) = locator_at {
        let mut locator = [0; 20];
        source.read_at(locator_at, &mut locator)?;
        if locator.starts_with(END64_LOCATOR) {
            let mut record = [0; 56];
            source.read_at(u64_at(&locator, 8), &mut record)?;
            if !record.starts_with(END64) {
                return Err(Fault::corrupt("the zip64 end record is missing"));
            }
            len = u64_at(&record, 40);
            offset = u64_at(&record, 48);
        }
    }
    source
        .span()
        .part(offset, len)
        .ok_or_else(|| Fault::corrupt("the zip directory lies beyond the end, the file is cut short or altered"))
}

/// One record of the directory: name, entry and the bytes after it.
fn central_entry(bytes: &[u8]) -> Option<(String, Entry, &[u8])> {
    let fixed = bytes.get(..46).filter(|b| b.starts_with(CENTRAL))?;
    let name_len = usize::from(u16_at(fixed, 28));
    let extra_len = usize::from(u16_at(fixed, 30));
    let comment_len = usize::from(u16_at(fixed, 32));
    let name = bytes.get(46..46 + name_len)?;
    let mut extra = bytes.get(46 + name_len..46 + name_len + extra_len)?;
    let next = bytes.get(46 + name_len + extra_len + comment_len..)?;
    let mut entry = Entry {
        method: u16_at(fixed, 10),
        encrypted: u16_at(fixed, 8) & 1 != 0,
        stored_size: u32_at(fixed, 20).into(),
        size: u32_at(fixed, 24).into(),
        header: u32_at(fixed, 42).into(),
    };
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + len)?;
        if id == 1 {
            zip64(&mut entry, field)?;
        }
        extra = &extra[4 + len..];
    }
    let name = String::from_utf8(name.to_vec()).ok()?;
    Some((name, entry, next))
}

/// Replaces the 32-bit values that overflow by those of the zip64 field, which holds only these, in this order.
fn zip64(entry: &mut Entry, mut field: &[u8]) -> Option<()> {
    for value in [&mut entry.size, &mut entry.stored_size, &mut entry.header] {
        if *value == u64::from(u32::MAX) {
            let (wide, rest) = field.split_first_chunk()?;
            *value = u64::from_le_bytes(*wide);
            field = rest;
        }
    }
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

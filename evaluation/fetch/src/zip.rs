//! Members of a zip archive, such as a Python wheel: stored or deflated, found through the central directory.
//!
//! Archives beyond 4 GiB (zip64) and encrypted members are refused.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;

const END: &[u8; 4] = b"PK\x05\x06";
const END_LEN: u64 = 22;
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// Longest directory that is read.
const LONGEST_DIRECTORY: u64 = 64 << 20;

struct Member {
    name: String,
    method: u16,
    encrypted: bool,
    crc: u32,
    stored: u32,
    size: u32,
    header: u32,
}

/// Shows every file of an archive, in the order of its directory.
pub(crate) fn members(archive: &File, visit: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>) -> io::Result<()> {
    for member in directory(archive)? {
        if !member.name.ends_with('/') {
            show(archive, &member, visit)?;
        }
    }
    Ok(())
}

fn show(
    mut archive: &File,
    member: &Member,
    visit: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    if member.encrypted {
        return Err(damaged(&format!("its member {:?} is encrypted", member.name)));
    }
    archive.seek(SeekFrom::Start(member.header.into()))?;
    let mut header = [0; 30];
    archive.read_exact(&mut header)?;
    if !header.starts_with(LOCAL) {
        return Err(damaged(&format!("its member {:?} has no header", member.name)));
    }
    archive.seek(SeekFrom::Current(i64::from(u16_at(&header, 26)) + i64::from(u16_at(&header, 28))))?;
    let stored = BufReader::new(archive.take(member.stored.into()));
    let content: Box<dyn Read + '_> = match member.method {
        0 => Box::new(stored),
        8 => Box::new(DeflateDecoder::new(stored)),
        method => return Err(damaged(&format!("its member {:?} is compressed by method {method}", member.name))),
    };
    let mut content = CrcReader::new(content);
    visit(&member.name, &mut content)?;
    // A member that is of no interest is not read.
    let (read, sum) = (content.crc().amount(), content.crc().sum());
    if read != 0 && (read != member.size || sum != member.crc) {
        return Err(damaged(&format!("its member {:?} is damaged", member.name)));
    }
    Ok(())
}

fn directory(mut archive: &File) -> io::Result<Vec<Member>> {
    let len = archive.metadata()?.len();
    let tail_len = len.min(END_LEN + u64::from(u16::MAX));
    archive.seek(SeekFrom::Start(len - tail_len))?;
    let mut tail = Vec::new();
    archive.take(tail_len).read_to_end(&mut tail)?;
    let end = tail.windows(END_LEN as usize).rposition(|window| window.starts_with(END));
    let end = end.ok_or_else(|| damaged("it has no directory: the file is cut short"))?;
    let (size, offset) = (u64::from(u32_at(&tail[end..], 12)), u64::from(u32_at(&tail[end..], 16)));
    if size.max(offset) == u64::from(u32::MAX) {
        return Err(damaged("it is larger than 4 GiB"));
    }
    if size > LONGEST_DIRECTORY || offset + size > len {
        return Err(damaged("its directory lies beyond its end"));
    }
    archive.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; size as usize];
    archive.read_exact(&mut bytes)?;
    let mut members = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (member, next) = member(rest).ok_or_else(|| damaged("its directory is malformed"))?;
        members.push(member);
        rest = next;
    }
    Ok(members)
}

/// One record of the directory, and the bytes after it.
fn member(bytes: &[u8]) -> Option<(Member, &[u8])> {
    let fixed = bytes.get(..46).filter(|bytes| bytes.starts_with(CENTRAL))?;
    let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(fixed, at)));
    let member = Member {
        name: String::from_utf8_lossy(bytes.get(46..46 + name)?).into_owned(),
        method: u16_at(fixed, 10),
        encrypted: u16_at(fixed, 8) & 1 != 0,
        crc: u32_at(fixed, 16),
        stored: u32_at(fixed, 20),
        size: u32_at(fixed, 24),
        header: u32_at(fixed, 42),
    };
    Some((member, bytes.get(46 + name + extra + comment..)?))
}

fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive cannot be used: {problem}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

//! Files out of archives.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path};

use flate2::bufread::GzDecoder;
use fmr_core::registry::RemoteFile;

use crate::error::FetchError;
use crate::pattern::{captures, fill};

/// Times that an archive may be as large unpacked, beside [`SMALL`] bytes.
const LARGER: u64 = 20;
const SMALL: u64 = 64 << 20;

/// Unpacks `archive`, which came from `from`, as `file` says: one member as the file `to`, or several as a folder.
pub(crate) fn unpack(archive: &Path, from: &str, file: &RemoteFile, to: &Path) -> Result<(), FetchError> {
    let Some(member) = file.member.as_deref() else { return Ok(()) };
    let problem = |problem: String| FetchError::Archive { from: from.to_owned(), problem };
    let opened = File::open(archive).map_err(FetchError::file(archive))?;
    let most = opened.metadata().map_err(FetchError::file(archive))?.len().saturating_mul(LARGER).saturating_add(SMALL);
    let mut left = most;
    let mut found = 0_usize;
    let Some(names) = &file.names else {
        let unpacked = fmr_files::replace_with(to, |out| {
            each_member(opened, &mut |name, content| {
                if found == 0 && captures(member, name).is_some() {
                    found += 1;
                    copy(content, out, &mut left)?;
                }
                Ok(())
            })?;
            if found == 0 { Err(absent(member)) } else { Ok(()) }
        });
        return unpacked.map_err(|error: io::Error| problem(error.to_string()));
    };
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".fmr-").suffix(".partial").tempdir_in(parent);
    let folder = folder.map_err(FetchError::file(parent))?;
    let unpacked = each_member(opened, &mut |name, content| {
        let Some(found_names) = captures(member, name) else { return Ok(()) };
        let name = fill(names, &found_names).filter(|name| is_inside(name));
        let name = name.ok_or_else(|| io::Error::other(format!("{names:?} gives no name of a file for {member:?}")))?;
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        copy(content, &mut File::create_new(path)?, &mut left)?;
        found += 1;
        Ok(())
    });
    unpacked
        .and_then(|()| if found == 0 { Err(absent(member)) } else { Ok(()) })
        .map_err(|e| problem(e.to_string()))?;
    // A temporary folder is private, a result is not.
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), mode).map_err(FetchError::file(folder.path()))?;
    }
    fs::rename(folder.path(), to).map_err(FetchError::file(to))?;
    // It has its place; nothing is left to remove.
    let _ = folder.keep();
    Ok(())
}

fn absent(member: &str) -> io::Error {
    io::Error::other(format!("the archive has no member {member:?}"))
}

/// Whether a name leads to a file below its folder.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn copy(content: &mut dyn Read, out: &mut dyn Write, left: &mut u64) -> io::Result<()> {
    let copied = io::copy(&mut content.take(*left + 1), out)?;
    *left = left
        .checked_sub(copied)
        .ok_or_else(|| io::Error::other(format!("the archive unpacks to more than {LARGER} times its size")))?;
    Ok(())
}

type Visit<'v> = dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 'v;

/// Shows every regular file of a zip, a tar or a gzipped tar.
fn each_member(mut archive: File, visit: &mut Visit<'_>) -> io::Result<()> {
    let mut start = [0; 4];
    let filled = archive.read(&mut start)?;
    archive.seek(SeekFrom::Start(0))?;
    match &start[..filled] {
        b"PK\x03\x04" => crate::zip::members(&archive, visit),
        [0x1f, 0x8b, ..] => tar_members(GzDecoder::new(BufReader::new(archive)), visit),
        _ => tar_members(BufReader::new(archive), visit),
    }
}

fn tar_members(archive: impl Read, visit: &mut Visit<'_>) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for member in archive.entries()? {
        let mut member = member?;
        if member.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            visit(&name, &mut member)?;
        }
    }
    Ok(())
}

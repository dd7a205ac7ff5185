//! A tar of pictures, read in place: what `tar x` would make of it, without unpacking it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fmr_core::shown;
use tar::{Archive, Entry, EntryType};

use super::contents::{Contents, parts};
use super::picture::Place;
use super::{DataError, open};

/// What a name in the archive is at the end.
enum Member {
    File(Place),
    Folder,
    /// A symbolic link, and the path it leads to.
    Link(String),
    Other(&'static str),
}

/// The bytes of a block; headers and contents are padded to it.
const BLOCK: u64 = 512;

pub(super) fn read(path: &Path, prefix: &str) -> Result<Contents, DataError> {
    let file = open::regular(path).map_err(DataError::io(path))?;
    let length = file.metadata().map_err(DataError::io(path))?.len();
    let mut archive = Archive::new(file);
    let mut members = BTreeMap::new();
    let mut end = 0;
    let tar = Arc::new(path.to_owned());
    for entry in archive.entries_with_seek().map_err(|error| packed(path, error))? {
        let entry = entry.map_err(|error| packed(path, error))?;
        end = entry.raw_file_position().saturating_add(entry.size().next_multiple_of(BLOCK));
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| DataError::format(path, "holds a name that is not UTF-8"))?;
        let name = normal(path, &name)?;
        if name.is_empty() {
            continue;
        }
        let member = member(path, &tar, &name, entry, &members)?;
        // The last of a name wins, as where `tar x` unpacks them one over the other.
        members.insert(name, member);
    }
    // Two blocks of zeros end a tar; where there is not one, the file may have been cut between two members.
    if length < end.saturating_add(BLOCK) {
        return Err(DataError::format(path, "is truncated: it ends before the mark that ends a tar"));
    }
    below(path, members, prefix)
}

fn member<R: std::io::Read>(
    path: &Path,
    tar: &Arc<std::path::PathBuf>,
    name: &str,
    mut entry: Entry<'_, R>,
    members: &BTreeMap<String, Member>,
) -> Result<Member, DataError> {
    let refuse = |problem: String| Err(DataError::format(path, format!("{} {problem}", shown::text(name))));
    let target = || -> Option<String> { Some(String::from_utf8_lossy(&entry.link_name_bytes()?).into_owned()) };
    Ok(match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            let place = Place::Entry {
                tar: tar.clone(),
                name: name.to_owned(),
                at: entry.raw_file_position(),
                len: entry.size(),
            };
            if is_sparse(&mut entry) {
                return refuse("is stored as a sparse file, which is not read; unpack the archive".to_owned());
            }
            Member::File(place)
        }
        EntryType::Directory => Member::Folder,
        EntryType::Symlink => {
            let target = target().unwrap_or_default();
            // Relative to the folder that the link is in.
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            Member::Link(resolve(folder, &target))
        }
        EntryType::Link => {
            let target = normal(path, &target().unwrap_or_default())?;
            match members.get(&target) {
                Some(Member::File(place)) => Member::File(place.clone()),
                Some(Member::Link(to)) => Member::Link(to.clone()),
                _ => return refuse(format!("is a link to {}, which is no file before it", shown::text(&target))),
            }
        }
        EntryType::GNUSparse => {
            return refuse("is stored as a sparse file, which is not read; unpack the archive".to_owned());
        }
        EntryType::Fifo | EntryType::Char | EntryType::Block => Member::Other("a pipe, socket or device"),
        _ => Member::Other("of an unknown type"),
    })
}

/// Whether a member's contents are stored with holes, in the way of POSIX archives.
fn is_sparse<R: std::io::Read>(entry: &mut Entry<'_, R>) -> bool {
    let Ok(Some(extensions)) = entry.pax_extensions() else { return false };
    extensions.flatten().any(|extension| extension.key_bytes().starts_with(b"GNU.sparse."))
}

/// What lies below `prefix`, links followed.
fn below(path: &Path, members: BTreeMap<String, Member>, prefix: &str) -> Result<Contents, DataError> {
    let prefix = parts(prefix).collect::<Vec<_>>().join("/");
    let inside = |name: &str| -> Option<String> {
        match prefix.as_str() {
            "" => Some(name.to_owned()),
            prefix => name.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned),
        }
    };
    let mut contents = Contents::default();
    for (name, member) in &members {
        let Some(below) = inside(name) else { continue };
        if let Some((folder, _)) = below.rsplit_once('/') {
            contents.add_folder(folder);
        }
        match follow(&members, member) {
            Some(Member::File(place)) => contents.add_file(below, place.clone()),
            Some(Member::Folder) if matches!(member, Member::Link(_)) => {
                let problem = format!("{} is a link to a folder; unpack the archive", shown::text(name));
                return Err(DataError::format(path, problem));
            }
            Some(Member::Folder) => drop(contents.add_folder(&below)),
            Some(Member::Other(what)) => contents.add_other(below, what),
            Some(Member::Link(_)) | None => contents.add_other(below, "a link to nothing"),
        }
    }
    Ok(contents)
}

/// What a member is once links are followed; none for a link to nothing or to itself.
fn follow<'m>(members: &'m BTreeMap<String, Member>, member: &'m Member) -> Option<&'m Member> {
    const MOST_LINKS: usize = 40;
    let mut at = member;
    for _ in 0..MOST_LINKS {
        let Member::Link(target) = at else { return Some(at) };
        at = match members.get(target) {
            Some(found) => found,
            // A folder may have no member of its own.
            None => {
                let inside = format!("{target}/");
                let first = members.range(inside.clone()..).next();
                return first.filter(|(name, _)| name.starts_with(&inside)).map(|_| &Member::Folder);
            }
        };
    }
    None
}

/// A member's path without what says nothing. One that leaves the folder of the archive is refused, as by `tar x`.
fn normal(path: &Path, name: &str) -> Result<String, DataError> {
    let parts: Vec<&str> = parts(name).collect();
    if parts.contains(&"..") {
        return Err(DataError::format(path, format!("holds {}, which leaves its folder", shown::text(name))));
    }
    Ok(parts.join("/"))
}

/// The path that a link in `folder` leads to.
fn resolve(folder: &str, target: &str) -> String {
    let mut at: Vec<&str> = if target.starts_with('/') { Vec::new() } else { parts(folder).collect() };
    for part in parts(target) {
        match part {
            ".." => drop(at.pop()),
            part => at.push(part),
        }
    }
    at.join("/")
}

/// The error of an archive that is no tar; says what it is where that is known.
fn packed(path: &Path, error: std::io::Error) -> DataError {
    use std::io::Read as _;
    let mut first = Vec::new();
    if let Ok(file) = open::regular(path) {
        let _ = file.take(6).read_to_end(&mut first);
    }
    let what = match first.as_slice() {
        [0x1f, 0x8b, ..] => "gzip",
        [b'P', b'K', 3 | 5, ..] => "zip",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
        _ => return DataError::io(path)(error),
    };
    DataError::format(path, format!("is packed with {what}; unpack it, and name the tar or the folder in it"))
}

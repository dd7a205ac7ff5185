//! Fenced code blocks of Markdown files and of Rust doc comments.

use std::fmt;
use std::path::{Path, PathBuf};

/// Folders that hold no documents of ours, and the templates of `fmr plugin new`, which only make sense once filled in.
const SKIPPED: [&str; 5] = ["target", "runs", "weights", "fuzz", "templates"];

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) file: PathBuf,
    /// Line of its fence, from 1.
    line: usize,
    /// What follows the fence: the language, then what else it says.
    pub(crate) info: String,
    pub(crate) text: String,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// All blocks of the Markdown and Rust files below a folder.
pub(crate) fn below(folder: &Path) -> Vec<Block> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut blocks = Vec::new();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                blocks.extend(below(&path));
            }
        } else if path.extension().is_some_and(|e| e == "md" || e == "rs") && !path.ends_with("documents/main.rs") {
            blocks.extend(of_file(&path));
        }
    }
    blocks
}

/// The blocks of one file.
pub(crate) fn of_file(file: &Path) -> Vec<Block> {
    in_text(file, &std::fs::read_to_string(file).unwrap())
}

/// The blocks of a text; of a Rust file, those of its doc comments.
pub(crate) fn in_text(file: &Path, text: &str) -> Vec<Block> {
    let rust = file.extension().is_some_and(|e| e == "rs");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let line = if rust { doc_line(line) } else { Some(line) };
        let Some(line) = line else {
            open = None;
            continue;
        };
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let info = info.trim().to_owned();
                open = Some(Block { file: file.to_owned(), line: index + 1, info, text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a fence is not closed", file.display());
    blocks
}

/// A line of a doc comment without its marker.
fn doc_line(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

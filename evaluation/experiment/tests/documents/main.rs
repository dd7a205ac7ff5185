//! Every TOML snippet that a reader can copy parses: those of documents, READMEs and doc comments, and those that
//! `fmr plugin new` writes.
#![expect(clippy::unwrap_used, reason = "tests")]

mod blocks;
mod snippet;

use std::path::{Path, PathBuf};

use blocks::Block;
use fmr_plugins::host::Role;
use fmr_plugins::scaffold::{self, Source};

/// Languages that a fence may name, besides `toml`.
const LANGUAGES: [&str; 9] = ["console", "rust", "text", "python", "c", "json", "no_run", "ignore", "compile_fail"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What is wrong with a block.
fn fault(block: &Block) -> Option<String> {
    let (language, kind) = block.info.split_once(' ').unwrap_or((&block.info, ""));
    match language.split(',').next() {
        Some("toml") => snippet::parse(kind, &block.text).err(),
        // Rust is the default of doc comments.
        Some("") if block.file.extension().is_some_and(|e| e == "rs") => None,
        Some("") => Some("the fence names no language".to_owned()),
        Some(language) if LANGUAGES.contains(&language) => None,
        _ => Some(format!("`{}` is no known language; add it to LANGUAGES", block.info)),
    }
}

fn faults(blocks: &[Block]) -> Vec<String> {
    let fault = |block| Some(format!("{block}: {}", fault(block)?));
    blocks.iter().filter_map(fault).collect()
}

#[test]
fn snippets_of_documents_parse() {
    let root = repository();
    let blocks = blocks::below(&root);
    let is_toml = |block: &&Block| block.info.starts_with("toml");
    for file in ["docs/plugins.md", "docs/your-own-target.md", "docs/mask.md", "plugins/python/README.md"] {
        let file = root.join(file);
        assert!(blocks.iter().filter(is_toml).any(|block| block.file == file), "no TOML in {}", file.display());
    }
    let faults = faults(&blocks);
    assert!(faults.is_empty(), "{} blocks:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn snippets_of_a_new_plugin_parse() {
    let folder = tempfile::tempdir().unwrap();
    for role in Role::ALL {
        let root = scaffold::new(&format!("my-{role}"), role, folder.path(), &Source::default()).unwrap();
        let example = std::fs::read_to_string(root.join("example.toml")).unwrap();
        snippet::parse("fragment", &example).unwrap_or_else(|fault| panic!("example.toml of a {role}: {fault}"));
        let blocks = blocks::of_file(&root.join("README.md"));
        assert!(blocks.iter().any(|block| block.info.starts_with("toml")), "{role}");
        assert_eq!(faults(&blocks), [""; 0], "{role}");
    }
}

#[test]
fn a_wrong_snippet_is_found() {
    let wrong = [
        ("fragment", "[target]\nplugin = \"libmine.so\"", "target"),
        ("fragment", "target = { plugin = \"libmine.so\" }", "target"),
        ("fragment", "[targets.mine]\nclasses = 10", "lacks the key `kind`"),
        ("fragment", "[masks.style]\nlearn-from = \"nowhere\"", "there is no [data.nowhere]"),
        ("fragment", "", "says nothing"),
        ("", "[targets.mine]\nkind = \"zoo\"", "the file has no data"),
        ("manifest", "[dependencies]\nfmr-cor = \"0.1\"", "fmr-cor"),
        ("manifest", "[dependencies]\nfmr-core = \"7\"", "fmr-core"),
        ("recipe", "", "no known kind"),
    ];
    for (kind, text, expected) in wrong {
        let fault = snippet::parse(kind, text).expect_err(text);
        assert!(fault.contains(expected), "{text:?}: {fault}");
    }
    let fences = "text\n\n```toml fragment\n[target]\n```\n\n```\nunlabelled\n```\n\n  ```toml\n  [target]\n  ```\n";
    let found = blocks::in_text(Path::new("x.md"), fences);
    assert_eq!(faults(&found).len(), 3, "{found:?}");
}

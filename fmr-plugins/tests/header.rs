//! The header for C says what the Rust declarations say: sizes, offsets and numbers, by the word of a C compiler.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Write;
use std::process::Command;

use fmr_plugins::abi;

#[test]
fn the_header_agrees_with_the_declarations() {
    let Some(cc) = common::compiler() else { return };
    let mut source = String::from("#include \"fmr_plugin.h\"\n");
    let mut checks = 0;
    let mut check = |condition: String| {
        checks += 1;
        writeln!(source, "_Static_assert({condition}, \"{condition}\");").unwrap();
    };
    for layout in abi::layout() {
        check(format!("sizeof({}) == {}", layout.name, layout.size));
        for (field, offset) in layout.fields {
            check(format!("offsetof({}, {field}) == {offset}", layout.name));
        }
    }
    for (name, value) in abi::constants() {
        check(format!("{name} == {value}"));
    }
    println!("compared {checks} sizes, offsets and numbers");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.c");
    std::fs::write(&file, source).unwrap();
    for standard in ["-std=c11", "-std=c17"] {
        let output = Command::new(&cc)
            .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include"))
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_number_of_the_header_is_compared() {
    let header = include_str!("../include/fmr_plugin.h");
    let known: Vec<&str> = abi::constants().map(|(name, _)| name).collect();
    let defined = header.lines().filter_map(|l| l.strip_prefix("#define ")?.split([' ', '(']).next());
    let numbers: Vec<&str> = defined.filter(|n| !["FMR_PLUGIN_H", "FMR_EXPORT", "FMR_STR"].contains(n)).collect();
    assert_eq!(numbers.len(), known.len(), "{numbers:?}");
    assert!(numbers.iter().all(|n| known.contains(n)));
}

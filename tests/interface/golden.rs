//! Does a generated file still say what the code does?

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the checkout").into()
}

/// Whether generated files are to be written and not compared.
pub(crate) fn is_writing() -> bool {
    std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write")
}

/// Compares a file of the checkout with what it should be, or writes it.
pub(crate) fn check(path: &str, expected: &str) {
    let file = root().join(path);
    if is_writing() {
        fs::write(&file, expected).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    if found == expected {
        return;
    }
    let different = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    let line = different.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    panic!(
        "{path} differs from the code at line {}:\n  file: {}\n  code: {}\nREX_GOLDEN=write writes it anew; numbers and \
         bytes that are in use must not change",
        line + 1,
        found.lines().nth(line).unwrap_or("(end)"),
        expected.lines().nth(line).unwrap_or("(end)"),
    );
}

/// Bytes as pairs of hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A generated file of samples: a JSON array, one sample a line.
pub(crate) fn samples_file(samples: &[serde_json::Value]) -> String {
    let lines: Vec<String> = samples.iter().map(ToString::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

//! Does a checked-in text still say what the program says?

use std::fs;

use rex_tests::program::checkout;

/// Compares a file of the checkout with what it should be, or writes it when `REX_GOLDEN` is `write`.
pub(crate) fn check(path: &str, expected: &str) {
    let file = checkout().join(path);
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        fs::create_dir_all(file.parent().expect("a file is in a directory"))
            .expect("a directory can be made");
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
        "{path} differs at line {}:\n  file:    {}\n  program: {}\nREX_GOLDEN=write writes it anew",
        line + 1,
        found.lines().nth(line).unwrap_or("(end)"),
        expected.lines().nth(line).unwrap_or("(end)"),
    );
}

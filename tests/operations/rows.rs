//! Whether each row of the interface table has its tests.

use std::path::Path;

use rex_ipc::interface::ROWS;

#[test]
fn every_row_is_tested_with_a_yes_and_a_no() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("operations");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();

    let mut missing = Vec::new();
    for row in ROWS {
        let tests = read(&here.join(row.group).join(row.name).with_extension("rs"));
        let modules = read(&here.join(row.group).join("mod.rs"));
        let no = if row.needs.is_empty() { "fn refused() {" } else { "fn denied() {" };
        for (text, wanted) in [
            (&tests, "#[test]\nfn permitted() {"),
            (&tests, no),
            (&modules, format!("mod {};", row.name).as_str()),
        ] {
            if !text.contains(wanted) {
                missing.push(format!("{}/{}: {wanted}", row.group, row.name));
            }
        }
    }

    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn only_the_rows_of_the_runtime_ask_for_nothing_and_those_that_give_something_up() {
    for row in ROWS {
        let is_free = row.group == "runtime" || ["abandon_write", "leave_namespaces"].contains(&row.name);
        assert_eq!(row.needs.is_empty(), is_free, "{}", row.name);
    }
}

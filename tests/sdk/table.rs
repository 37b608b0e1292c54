//! Is everything registered that Rex has, overload by overload, and nothing else but what is listed here?
//!
//! `rex-filesystem.tsv`, `rex-system.tsv` and `rex-common.tsv` are Rex's functions as they were seen from outside: module, name,
//! signature, result, actions.

use std::collections::BTreeMap;

use rex_broker::front::reference::entry::Entry;
use rex_broker::front::reference::reference;

const FILE_SYSTEM: &str = include_str!("rex-filesystem.tsv");
const SYSTEM: &str = include_str!("rex-system.tsv");
const COMMON: &str = include_str!("rex-common.tsv");

/// What Rex has and is not here, by module or by module and name, and why.
const NOT_HERE: &[(&str, &str, &str)] =
    &[("global", "debug", "the language's own function; it is sent to the log, and is not registered")];

/// What is here and not in Rex's tables, and why.
const NOT_THERE: &[(&str, &str, &str)] = &[
    ("DateTimeFormat", "", "constants of Rex that its table of functions does not list"),
    ("MetricUnitType", "", "constants of Rex that its table of functions does not list"),
    ("CommonUtilsErrorKind", "ParseError", "a constant of Rex that its table of functions does not list"),
    (
        "CommonUtilsErrorKind",
        "InvalidArguments",
        "a constant of Rex that its table of functions does not list",
    ),
    ("CommonUtilsErrorKind", "FormatError", "a constant of Rex that its table of functions does not list"),
    ("CommonUtilsErrorKind", "Other", "a constant of Rex that its table of functions does not list"),
    ("Timestamp", "", "the language's own clock, which here asks the broker"),
    ("global", "timestamp", "the language's own clock, which here asks the broker"),
    ("global", "sleep", "the language's own function, which here asks the broker"),
    ("DirEntry", "get$path", "a walk gives paths"),
    ("DiskUsageEntry", "type", "a list of sizes says what each entry is"),
    ("FindOptions", "type", "a walk finds files, or directories"),
    ("glob", "path", "a walk gives paths"),
    ("glob", "p", "a walk gives paths"),
    ("glob", "file", "a walk finds files, or directories"),
    ("glob", "f", "a walk finds files, or directories"),
    ("glob", "dir", "a walk finds files, or directories"),
    ("glob", "d", "a walk finds files, or directories"),
    ("glob", "symlink", "a walk finds files, or directories"),
    ("glob", "l", "a walk finds files, or directories"),
    ("global", "passed_over", "walks that leave something out can be told from those that do not"),
    ("cat", "lossy", "a file need not be UTF-8"),
    ("cat", "strict", "a file need not be UTF-8"),
    ("grep", "lossy", "a file need not be UTF-8"),
    ("grep", "strict", "a file need not be UTF-8"),
    ("tail", "lossy", "a file need not be UTF-8"),
    ("tail", "strict", "a file need not be UTF-8"),
    ("sed", "lossy", "a file need not be UTF-8"),
    ("sed", "strict", "a file need not be UTF-8"),
    (
        "ExtractArchiveOptions",
        "best_effort",
        "what is left out of an archive is an error unless a script says otherwise",
    ),
    ("SystemctlManager", "wait", "what is asked of systemd can be waited for"),
    ("DiskUsageResult", "get$denied_count", "a sum that lacks something can be told from one that does not"),
];

/// Modules of whose constants Rex's table of functions says nothing.
const WITH_CONSTANTS: &[&str] = &[
    "DiskinfoErrorKind",
    "NetworkErrorKind",
    "NetworkProtocol",
    "ProcessErrorKind",
    "Signal",
    "State",
    "SysteminfoErrorKind",
    "TcpState",
    "TransportProtocol",
    "UnixProtocol",
    "UnixSocketState",
    "Unit",
];

/// What asks the policy something else than Rex's, and why. All other columns are the same.
const ASKS_OTHERWISE: &[(&str, &str, &str)] = &[
    ("DirHandle", "delete", "everything that a recursive removal removes is asked for"),
    ("command", "ls", "a link to a directory is followed where that is permitted"),
    ("command", "rm", "everything that a recursive removal removes is asked for"),
    ("command", "touch", "the times are set, where that is permitted"),
    ("DirHandle", "find", "Rex asks for the targets of links, too; its table does not say so"),
    ("DirHandle", "disk_usage", "Rex asks for the targets of links, too; its table does not say so"),
    ("ProcessManager", "processes_using_inode", "the path is followed, so that something is learned of it"),
    ("ProcessManager", "list_open_files", "the path is followed, so that something is learned of it"),
    ("CoreDump", "backtrace", "the debugger is asked for"),
    ("CoreDump", "get_variables", "the debugger is asked for"),
    ("ProcessManager", "trace", "the debugger is asked for, which does the work of gstack"),
    ("FileHandle", "verify_cert", "certificates are read, so they must be readable"),
    ("FileHandle", "verify_cert_chain", "certificates are read, so they must be readable"),
];

/// A row: module, name, signature, result, actions.
type Row = [String; 5];

#[test]
fn the_file_system_functions_are_rexs_in_every_column() {
    let theirs: Vec<Row> = rows(FILE_SYSTEM);
    let modules: Vec<&String> = theirs.iter().map(|row| &row[0]).collect();
    let is_theirs = |row: &Row| modules.contains(&&row[0]) && !is_in(row, &[COMMON, SYSTEM]);
    let ours: Vec<Row> = ours().into_iter().filter(is_theirs).collect();

    let difference = difference(&ours, &theirs);

    assert!(difference.is_empty(), "{} differences:\n{}", difference.len(), difference.join("\n"));
}

#[test]
fn the_system_functions_are_rexs_in_every_column() {
    let theirs: Vec<Row> = rows(SYSTEM);
    let modules: Vec<&String> = theirs.iter().map(|row| &row[0]).collect();
    let is_theirs = |row: &Row| modules.contains(&&row[0]) && !is_in(row, &[COMMON, FILE_SYSTEM]);
    let ours: Vec<Row> = ours().into_iter().filter(is_theirs).collect();

    let difference = difference(&ours, &theirs);

    assert!(difference.is_empty(), "{} differences:\n{}", difference.len(), difference.join("\n"));
}

// The table of the common functions leaves most parameters without a name, so only their types are compared.
#[test]
fn the_common_functions_are_rexs() {
    let theirs: Vec<Row> = rows(COMMON).into_iter().map(without_parameter_names).collect();
    let modules: Vec<&String> = theirs.iter().map(|row| &row[0]).collect();
    let is_theirs = |row: &Row| modules.contains(&&row[0]) && !is_in(row, &[FILE_SYSTEM, SYSTEM]);
    let ours: Vec<Row> = ours().into_iter().filter(is_theirs).map(without_parameter_names).collect();

    let difference = difference(&ours, &theirs);

    assert!(difference.is_empty(), "{} differences:\n{}", difference.len(), difference.join("\n"));
}

#[test]
fn every_module_is_of_one_of_the_tables_or_listed() {
    let known: Vec<String> = [FILE_SYSTEM, SYSTEM, COMMON]
        .iter()
        .flat_map(|table| rows(table))
        .map(|row| row[0].clone())
        .collect();

    for row in ours() {
        assert!(known.contains(&row[0]) || is_listed(NOT_THERE, &row), "{row:?}");
    }
}

#[test]
fn what_is_listed_as_a_difference_is_one() {
    let ours = ours();
    let theirs: Vec<Row> = [FILE_SYSTEM, SYSTEM, COMMON].iter().flat_map(|table| rows(table)).collect();

    for listed in NOT_HERE {
        assert!(theirs.iter().any(|row| is(listed, row)), "{listed:?} is not Rex's");
        assert!(!ours.iter().any(|row| is(listed, row)), "{listed:?} is here");
    }
    for listed in ASKS_OTHERWISE {
        let differs = |row: &&Row| is(listed, row) && !theirs.contains(row);
        assert!(ours.iter().any(|row| differs(&row)), "{listed:?} asks for the same");
    }
    for listed in NOT_THERE {
        assert!(ours.iter().any(|row| is(listed, row)), "{listed:?} is not here");
        assert!(!theirs.iter().any(|row| is(listed, row)), "{listed:?} is in Rex's table");
    }
}

/// What one side has and the other lacks, but for what is listed.
fn difference(ours: &[Row], theirs: &[Row]) -> Vec<String> {
    let is_among = |row: &Row, rows: &[Row]| {
        let is_same =
            |other: &Row| other == row || (is_listed(ASKS_OTHERWISE, row) && other[..4] == row[..4]);
        rows.iter().any(is_same)
    };
    let missing = theirs.iter().filter(|row| !is_among(row, ours) && !is_listed(NOT_HERE, row));
    let more = ours.iter().filter(|row| !is_among(row, theirs) && !is_listed(NOT_THERE, row));
    let missing = missing.map(|row| format!("missing: {}", row.join(" | ")));
    let mut difference: Vec<String> =
        missing.chain(more.map(|row| format!("more:    {}", row.join(" | ")))).collect();
    let mut counts: BTreeMap<&Row, usize> = BTreeMap::new();
    for row in ours {
        *counts.entry(row).or_default() += 1;
    }
    difference
        .extend(counts.iter().filter(|(_, count)| **count > 1).map(|(row, _)| format!("twice: {row:?}")));
    difference
}

fn is_listed(list: &[(&str, &str, &str)], row: &Row) -> bool {
    list.iter().any(|listed| is(listed, row)) || is_constant(row)
}

/// A constant of a module of which Rex's table has only the functions.
fn is_constant(row: &Row) -> bool {
    row[2] == "constant" && WITH_CONSTANTS.contains(&row[0].as_str())
}

fn is((module, name, _): &(&str, &str, &str), row: &Row) -> bool {
    row[0] == *module && (name.is_empty() || row[1] == *name)
}

/// Whether one of these tables has the function: the tables share modules, such as `global` and `command`.
fn is_in(row: &Row, tables: &[&str]) -> bool {
    tables.iter().flat_map(|table| rows(table)).any(|other| other[0] == row[0] && other[1] == row[1])
}

fn ours() -> Vec<Row> {
    let row = |entry: &Entry| {
        [&entry.module, &entry.name, &entry.signature, &entry.returns, &entry.actions].map(String::clone)
    };
    reference().entries().map(|(_, entry)| row(entry)).collect()
}

fn rows(table: &str) -> Vec<Row> {
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("module\tfunction\tsignature\treturns\tcedar actions"));
    let row = |line: &str| -> Row {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        columns.try_into().unwrap_or_else(|columns| panic!("not five columns: {columns:?}"))
    };
    lines.map(row).collect()
}

fn without_parameter_names(mut row: Row) -> Row {
    let list = row[2].trim_start_matches('(').trim_end_matches(')').to_owned();
    let types: Vec<&str> = list.split(", ").map(|part| part.split(": ").last().unwrap_or(part)).collect();
    if row[2] != "constant" {
        row[2] = format!("({})", types.join(", "));
    }
    row
}

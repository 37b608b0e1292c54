//! Does `docs/wire.md` have every row, kind, limit and type as the code has them?

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use rex_agreed::errand;
use rex_ipc::frame::{Kind, VERSION};
use rex_ipc::interface::ROWS;
use rex_ipc::state::State;
use serde_json::Value;

use crate::golden::{self, root};
use crate::protocol::{LIMITS, answer, body, fingerprint_of_the_code, is_once, sender, states, types};

const DOCUMENT: &str = "docs/wire.md";

#[test]
fn the_document_is_that_of_the_code() {
    let mut text = fs::read_to_string(root().join(DOCUMENT)).expect("the document is there");
    let sections = [
        ("version", version()),
        ("limits", limits()),
        ("kinds", kinds()),
        ("states", states_table()),
        ("operations", operations()),
        ("types", types_list()),
        ("examples", examples()),
    ];
    for (name, content) in sections {
        text = with_section(&text, name, &content);
    }

    golden::check(DOCUMENT, &text);
}

// A section whose marker is misspelt would be skipped by everybody.
#[test]
fn the_document_has_no_other_generated_sections() {
    let text = fs::read_to_string(root().join(DOCUMENT)).expect("the document is there");
    let found: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("<!-- generated: ")).collect();

    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn the_frames_of_workers_are_those_of_the_code() {
    let text = fs::read_to_string(root().join(DOCUMENT)).expect("the document is there");
    let (_, section) = text.split_once("\n## 12. ").expect("there is a section about workers");
    let cells = |line: &str| -> Vec<String> {
        line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = section.lines().map(cells).filter(|cells| cells.len() > 3);
    let told: Vec<(u8, String, bool)> = rows
        .filter_map(|cells| Some((cells[0].parse().ok()?, cells[1].clone(), cells[2] == "order")))
        .collect();

    let of_code: Vec<(u8, String, bool)> = (0..=u8::MAX)
        .filter_map(|number| {
            let mut frame = errand::frame(errand::Kind::Taken, 0, b"").expect("an empty frame fits");
            frame[3] = number;
            let (kind, _) = errand::split(&frame, 0)?;
            Some((number, format!("{kind:?}"), number < 64))
        })
        .collect();

    assert_eq!(told, of_code);
    assert!(section.contains("one of fifteen numbers"), "{}", errand::Cause::ALL.len());
    assert_eq!((errand::Cause::ALL.len(), errand::MAX_NAME_BYTES, errand::MAX_ADDRESSES), (15, 253, 64));
    assert_eq!(errand::HEADER_BYTES, 16);
}

/// The text with the part between two markers replaced.
fn with_section(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{DOCUMENT} has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{DOCUMENT} has no {end}"));
    format!("{before}{begin}{content}{end}{after}")
}

fn version() -> String {
    let fingerprint = fingerprint_of_the_code();
    format!("Version {VERSION}; the fingerprint of the protocol is `{fingerprint:#018x}`.\n")
}

fn limits() -> String {
    let mut text = String::from("| limit | value |\n|---|---:|\n");
    for (name, value) in LIMITS {
        let _ = writeln!(text, "| `{name}` | {value} |");
    }
    text
}

fn kinds() -> String {
    let mut text = String::from(
        "| number | kind | sender | once | states | body | answered by |\n|---|---|---|---|---|---|---|\n",
    );
    for &kind in Kind::ALL {
        let _ = writeln!(
            text,
            "| 0x{:02x} | `{}` | {} | {} | {} | {} | {} |",
            kind.number(),
            kind.name(),
            sender(kind),
            if is_once(kind) { "yes" } else { "no" },
            states(kind).join(", "),
            body(kind),
            answer(kind),
        );
    }
    text
}

fn states_table() -> String {
    let mut text = String::from("| state | the jail may send |\n|---|---|\n");
    for state in State::ALL {
        let kinds: Vec<_> = state.permits().iter().map(|kind| format!("`{}`", kind.name())).collect();
        let kinds = if kinds.is_empty() { "nothing".into() } else { kinds.join(", ") };
        let _ = writeln!(text, "| {} | {kinds} |", state.name());
    }
    text
}

fn operations() -> String {
    let (_, shapes) = types();
    let mut text =
        String::from("| number | operation | request | reply | Cedar actions |\n|---|---|---|---|---|\n");
    for row in ROWS {
        let (request, reply) = &shapes[&row.number];
        let actions: Vec<_> = row.needs.iter().map(|action| format!("`{}`", action.uid())).collect();
        let actions = if actions.is_empty() { "none".into() } else { actions.join(", ") };
        let _ =
            writeln!(text, "| 0x{:04x} | `{}` | `{request}` | `{reply}` | {actions} |", row.number, row.name);
    }
    text
}

fn types_list() -> String {
    let (types, _) = types();
    let mut text = String::from("```text\n");
    for (name, definition) in &types {
        let _ = writeln!(text, "{name} = {definition}");
    }
    text + "```\n"
}

/// Frames out of the golden file: a start, what `cat` sends and gets, and a denial.
fn examples() -> String {
    let file =
        fs::read_to_string(root().join("tests/golden/wire/frames.json")).expect("frames have golden bytes");
    let samples: Vec<Value> = serde_json::from_str(&file).expect("golden files are JSON");
    let mut text = String::new();
    for kind in [Kind::Hello, Kind::Call, Kind::Reply, Kind::Result] {
        let name = format!("frame {}", kind.name());
        for sample in samples.iter().filter(|sample| sample["sample"] == name.as_str()) {
            let bytes = sample["bytes"].as_str().expect("a sample has bytes");
            let _ = writeln!(
                text,
                "`{}` with `{}`:\n\n```text\n{}```\n",
                kind.name(),
                sample["value"]["body"],
                dump(bytes)
            );
        }
    }
    text
}

/// Sixteen bytes a line.
fn dump(hex: &str) -> String {
    let bytes: Vec<_> = hex.split(' ').collect();
    bytes.chunks(16).fold(String::new(), |text, line| text + &line.join(" ") + "\n")
}

//! What is found by which name, and what is printed.

use super::*;

fn called(name: &str) -> Vec<String> {
    let reference = reference();
    let found = lookup::named(&reference, name);
    found.iter().flat_map(|section| section.entries.iter().map(entry::Entry::call)).collect()
}

#[test]
fn a_name_means_all_its_overloads_and_the_flags_that_go_with_it() {
    let calls = called("cat");

    assert_eq!(
        calls,
        [
            "cat(path: String)",
            "cat(flags: Array, path: String)",
            "cat::number",
            "cat::n",
            "cat::lossy",
            "cat::strict"
        ]
        .map(str::to_owned)
    );
}

#[test]
fn names_are_found_in_every_spelling() {
    for (name, call) in [
        ("FileHandle.read", "FileHandle.read()"),
        ("FileHandle::read", "FileHandle.read()"),
        ("read", "FileHandle.read()"),
        ("read", "OpenFileOptionsBuilder.read(bool)"),
        ("name", "DirEntry.name"),
        ("get$name", "DirEntry.name"),
        ("DirEntry.name", "DirEntry.name"),
        ("grep::n", "grep::n"),
        ("-", "DateTime - DateTime"),
        ("now()", "now()"),
        ("OpenFileOptionsBuilder", "OpenFileOptionsBuilder.build()"),
        ("EntryType", "EntryType::FILE"),
        ("FindOptionsBuilder.min_modification_time", "FindOptionsBuilder.min_modification_time(DateTime)"),
        ("FindOptions.min_modification_time", "FindOptionsBuilder.min_modification_time(DateTime)"),
        ("FileHandle.search(pattern: String)", "FileHandle.search(pattern: String)"),
    ] {
        assert!(called(name).iter().any(|found| found == call), "{name}: {:?}", called(name));
    }
    assert_eq!(called("FileHandle.read"), ["FileHandle.read()"]);
}

/// What `sdk list` and `sdk search` print of an entry, `sdk show` takes, with and without what stands in parentheses.
#[test]
fn whatever_is_listed_can_be_shown() {
    let reference = reference();
    for (section, entry) in reference.entries().filter(|(_, entry)| entry.form() != entry::Form::Operator) {
        let call = entry.call();
        let name = call.split('(').next().unwrap_or_default();
        for written in [name, &call, &entry.qualified_name(), &format!("{name}()")] {
            let found = lookup::named(&reference, written);
            assert!(found.iter().any(|found| std::ptr::eq(*found, section)), "{written}");
        }
    }
}

#[test]
fn near_names_are_suggested_and_far_ones_are_not() {
    let refused = |name: &str| show(&reference(), name, false).expect_err("there is no such name");

    assert_eq!(refused("catt"), "nothing is called `catt`; did you mean `cat`?");
    assert!(refused("FileHandle.raed").contains("`FileHandle.read`"), "{}", refused("FileHandle.raed"));
    assert!(refused("opendir").contains("did you mean"), "{}", refused("opendir"));
    assert_eq!(
        refused("qqqqqqqqqqqq"),
        "nothing is called `qqqqqqqqqqqq`; `rex-broker sdk list` has all names"
    );
}

#[test]
fn what_somebody_typed_reaches_no_terminal_as_it_is() {
    let hostile = "x\u{1b}[2J\n";

    for refused in
        [show(&reference(), hostile, false), search(&reference(), &[hostile.to_owned(), "zzz".into()], true)]
    {
        let refused = refused.expect_err("there is no such name");
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }
}

#[test]
fn all_words_have_to_be_found_in_any_letter_case() {
    let found = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        search(&reference(), &words, false)
    };

    let text = found(&["READ", "redacted_read"]).expect("cat reads");
    assert!(text.contains("cat(path: String) -> String"), "{text}");
    assert!(!text.contains("wc(path: String)"), "{text}");
    assert!(found(&["nonesuch", "qqqq"]).is_err());
    let some = found(&["redacted_read", "nonesuch"]).expect("cat has one of them");
    assert!(some.starts_with("nothing has all of these words; some of them have:\n"), "{some}");
    assert!(some.contains("cat(path: String)"), "{some}");
    let json = search(&reference(), &["redacted_read".into(), "nonesuch".into()], true).expect("cat has one");
    assert!(serde_json::from_str::<Vec<Value>>(&json).is_ok_and(|rows| !rows.is_empty()), "{json}");
}

#[test]
fn what_has_the_word_itself_drowns_in_nothing() {
    let lines = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let found = search(&reference(), &words, false).unwrap_or_default();
        found.lines().map(str::to_owned).collect::<Vec<_>>()
    };

    let df = lines(&["df"]);
    assert!(df.len() < 15 && df[0].starts_with("df()"), "{df:#?}");
    for words in [&["port"][..], &["listen", "port"], &["sockets"]] {
        let found = lines(words);
        for name in ["network_stats()", "netstat()", "connect("] {
            assert!(found.iter().take(6).any(|line| line.starts_with(name)), "{words:?}, {name}: {found:#?}");
        }
    }
    // A kind is last, unless it is what was asked for.
    for word in ["file", "permission", "directory"] {
        let found = lines(&[word]);
        let first = found.iter().position(|line| line.contains("ErrorKind::"));
        let rest = found.iter().skip(first.unwrap_or(found.len()));
        assert!(rest.clone().all(|line| line.contains("ErrorKind")), "{word}: {found:#?}");
    }
    assert!(lines(&["NotFound"])[0].starts_with("IoErrorKind::NotFound"));
}

#[test]
fn exact_names_come_first_and_then_what_is_for_it() {
    let found = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        search(&reference(), &words, false).unwrap_or_default()
    };
    for (words, first) in [
        ("cat", "cat(path: String)"),
        ("find", "DirHandle.find("),
        ("write", "write(path: String, content: String)"),
        ("copy", "FileHandle.copy("),
        ("atomic", "write::replace"),
        ("mtime", "FileHandle.get_last_modified_time()"),
        ("older", "FindOptionsBuilder.max_modification_time("),
        ("exists", "find_files("),
        ("rename", "mv(src: String, dst: String)"),
        ("size", "TruncateOptionsBuilder.size("),
        ("largest", "du(path: String)"),
        ("join", "of the language: array.reduce("),
        ("sort", "of the language: array.sort()"),
        ("parse", "parse_datetime("),
        ("CAT", "cat(path: String)"),
    ] {
        assert!(found(&[words]).starts_with(first), "{words}:\n{}", found(&[words]));
    }
    assert!(found(&["older", "changed"]).starts_with("FindOptionsBuilder.max_creation_time("));
    assert!(found(&["json"]).contains("of the language: parse_json(text)"));
}

#[test]
fn every_form_is_free_of_control_characters() {
    let reference = reference();
    let all: Vec<&Section> = reference.sections().map(|(_, section)| section).collect();
    let form = |json, markdown, completion| list(&reference, ListArguments { json, markdown, completion });

    for text in [
        form(false, false, false),
        form(true, false, false),
        form(false, true, false),
        form(false, false, true),
        text::sections(&all),
        pretty(&json::complete(&all)),
    ] {
        let harmful = text.chars().find(|&c| c != '\n' && crate::terminal::is_dangerous(c));
        assert_eq!(harmful, None);
        assert!(text.ends_with('\n'));
    }
}

#[test]
fn the_list_has_the_columns_of_the_table_in_their_order() {
    let text = list(&reference(), ListArguments { json: true, markdown: false, completion: false });
    let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text).expect("it is JSON");

    for row in &rows {
        let keys: Vec<&str> = row.keys().map(String::as_str).collect();
        assert_eq!(keys, ["module", "name", "signature", "returns", "actions", "doc"]);
        assert!(row.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{row:?}");
    }
    assert_eq!(rows.len(), reference().entries().count());
}

#[test]
fn completion_items_insert_what_is_typed() {
    let reference = reference();
    let items = json::completion(&reference);
    let item = |detail: &str| {
        let items = items.as_array().expect("it is a list");
        items
            .iter()
            .find(|item| item["detail"] == detail)
            .unwrap_or_else(|| panic!("{detail} is missing"))
            .clone()
    };

    let cat = item("cat(flags: Array, path: String) -> String");
    assert_eq!((&cat["label"], &cat["kind"]), (&Value::from("cat"), &Value::from(3)));
    assert_eq!(cat["insertText"], "cat(${1:flags}, ${2:path})");
    let search = item("FileHandle.search(pattern: String) -> Array<Match>");
    assert_eq!(search["insertText"], "search(${1:pattern})");
    assert_eq!(item("DirEntry.name -> String")["insertText"], "name");
    assert_eq!(item("grep::n -> GrepFlag")["label"], "grep::n");
}

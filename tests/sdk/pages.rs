//! Are the pages in `docs/sdk` what the reference makes of them? `REX_GOLDEN=write` writes them anew.

use std::collections::BTreeMap;
use std::fs;

use rex_broker::front::reference::{markdown, reference};
use rex_tests::program::checkout;

#[test]
fn the_pages_are_those_of_the_reference() {
    let reference = reference();
    let mut expected: BTreeMap<String, String> = reference
        .chapters
        .iter()
        .map(|chapter| (format!("{}.md", chapter.name), markdown::page(chapter)))
        .collect();
    expected.insert("README.md".into(), reference.preface.clone());
    let folder = checkout().join("docs/sdk");
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        for (name, text) in &expected {
            fs::write(folder.join(name), text).expect("the pages can be written");
        }
    }

    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("there are pages") {
        let entry = entry.expect("a page can be seen");
        let name = entry.file_name().into_string().expect("a page has a name");
        found.insert(name, fs::read_to_string(entry.path()).expect("a page is text"));
    }

    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, text) in &expected {
        assert!(found[name] == *text, "docs/sdk/{name} is not what REX_GOLDEN=write would write");
    }
}

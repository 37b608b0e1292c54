//! The manual pages, printed as man(1) reads them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::result::Exit;
use crate::terminal::printable_line;

/// Prints the page of the command with these words, that of the program itself without; gives the exit status.
pub fn print(words: &[String]) -> u8 {
    let name = [&["rex-broker".to_owned()], words].concat().join("-");
    let Some(page) = page(&name) else {
        let names: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
        crate::complain!("error: there is no page {}; there are {}", printable_line(&name), names.join(", "));
        return Exit::Usage.code(false);
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(page.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            crate::terminal::unwritten("the page", &error);
            Exit::OutputNotWritten.code(false)
        }
    }
}

/// Every word that stands in the name of a page, behind that of the program: `policy` and `check`.
pub(super) fn words() -> BTreeSet<&'static str> {
    PAGES.iter().flat_map(|(name, _)| name.split('-').skip(2)).collect()
}

fn page(name: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == name).map(|(_, page)| *page)
}

macro_rules! page {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../docs/man/man1/", $name, ".1")))
    };
}

/// Every page by its name. A test holds them to the grammar and writes them anew (`tests/command_line/manual`).
static PAGES: [(&str, &str); 29] = [
    page!("rex-broker"),
    page!("rex-broker-audit"),
    page!("rex-broker-audit-export"),
    page!("rex-broker-audit-replay"),
    page!("rex-broker-audit-why"),
    page!("rex-broker-ceiling"),
    page!("rex-broker-ceiling-show"),
    page!("rex-broker-completions"),
    page!("rex-broker-config"),
    page!("rex-broker-config-show"),
    page!("rex-broker-doctor"),
    page!("rex-broker-manual"),
    page!("rex-broker-policy"),
    page!("rex-broker-policy-check"),
    page!("rex-broker-policy-diff"),
    page!("rex-broker-policy-explain"),
    page!("rex-broker-policy-grant"),
    page!("rex-broker-policy-grants"),
    page!("rex-broker-policy-revoke"),
    page!("rex-broker-policy-schema"),
    page!("rex-broker-policy-test"),
    page!("rex-broker-protocol"),
    page!("rex-broker-ps"),
    page!("rex-broker-run"),
    page!("rex-broker-sdk"),
    page!("rex-broker-sdk-list"),
    page!("rex-broker-sdk-search"),
    page!("rex-broker-sdk-show"),
    page!("rex-broker-stop"),
];

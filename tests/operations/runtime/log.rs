//! Lines for the log of the run.

use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::Text;
use rex_ipc::runtime::{Log, LogLevel};
use rex_tests::session::Session;

fn line(text: &str) -> Log {
    Log { level: LogLevel::Info, line: 3, message: Text::cut(text), cut: false, function: None }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy("");

    session.send(line("a line")).unwrap();

    let document = session.document();
    assert!(document.contains("a line"), "{document}");
}

#[test]
fn refused() {
    let mut session = Session::with_limits("", |limits| limits.max_log_lines = 2);
    session.send(line("first")).unwrap();
    session.send(line("second")).unwrap();

    let end = session.send(line("third")).unwrap_err().end();

    assert!(
        matches!(&end, RunEnd::Limit(limit) if limit.name == "max-log-lines" && limit.value == 2),
        "{end:?}"
    );
    let document = session.document();
    assert!(document.contains("second") && !document.contains("third"), "{document}");
}

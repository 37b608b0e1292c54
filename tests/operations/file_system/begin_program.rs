//! Programs begin. What becomes of them, and what they cannot do, is tried in `tests/programs` with whole runs.

use rex_broker::host::Children;
use rex_broker::host::programs::unguarded::start_spawner;
use rex_broker::run::image::SPAWNER;
use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::ErrorKind;
use rex_ipc::handle::FileId;
use rex_ipc::program::{BeginProgram, ProgramArgument, ProgramText};
use rex_tests::session::{ALLOW_ALL, Session, WRITE};

/// A session that can start programs, which may then do whatever its user may.
pub(crate) fn session(policy: &str) -> Session {
    let mut session = Session::with_policy(policy);
    session.services.host.programs.spawner = Some(start_spawner(SPAWNER.bytes).unwrap());
    session.services.host.programs.confinement = Children::Unconfined.confinement();
    session
}

/// Has a program that is open say some words.
pub(crate) fn saying(file: FileId, words: &[&str]) -> BeginProgram {
    let word = |word: &&str| ProgramArgument { word: ProgramText::cut(word), value: None };
    BeginProgram {
        file,
        arguments: List::new(words.iter().map(word).collect()).unwrap(),
        environment: List::new(Vec::new()).unwrap(),
        user: None,
        group: None,
        capabilities: List::new(Vec::new()).unwrap(),
    }
}

/// echo(1), open, and its path.
pub(crate) fn echo(session: &mut Session) -> (FileId, String) {
    let path = std::fs::canonicalize("/usr/bin/echo").unwrap();
    let directory = session.open_dir(path.parent().unwrap().to_str().unwrap()).unwrap();
    let file = session.open_file(directory, path.file_name().unwrap().to_str().unwrap()).unwrap();
    session.questions();
    (file, path.to_str().unwrap().to_owned())
}

#[test]
fn permitted() {
    let mut session = session(ALLOW_ALL);
    let (file, path) = echo(&mut session);

    session.send(saying(file, &["a word"])).unwrap();

    assert_eq!(session.questions(), [format!("permit execute File {path}")]);
}

#[test]
fn denied() {
    let mut session = session(
        r#"permit(principal, action, resource);
           forbid(principal, action == file_system::Action::"execute", resource)
           when { context.command_line == "echo secret" };"#,
    );
    let (file, path) = echo(&mut session);

    assert!(session.send(saying(file, &["secret"])).unwrap_err().is_denial());

    assert_eq!(session.questions(), [format!("deny execute File {path}")]);
    assert!(session.services.host.programs.question().is_none(), "nothing was started");
    session.send(saying(file, &["public"])).unwrap();
    assert!(session.services.host.programs.question().is_some(), "a control");
}

// A name of any bytes is a text in which characters from U+10FF00 on stand for a byte each.
#[test]
fn an_argument_is_judged_by_the_bytes_that_it_has_however_it_is_spelled() {
    let mut session = session(
        r#"permit(principal, action, resource);
           forbid(principal, action == file_system::Action::"execute", resource)
           when { context.command_line like "*secret*" };
           forbid(principal, action == file_system::Action::"execute", resource)
           when { context.command_line like "* -*" };"#,
    );
    let (file, _) = echo(&mut session);

    for disguised in ["s\u{10FF65}cret", "\u{10FF2D}n"] {
        assert!(session.send(saying(file, &[disguised])).unwrap_err().is_denial(), "{disguised:?}");
    }
    for zero in ["a\u{10FF00}b", "a\0b"] {
        let refused = session.send(saying(file, &[zero])).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::InvalidArguments), "{zero:?}");
    }
    // The control: a byte that is no text keeps its character, and the program is started afterwards as before.
    session.questions();
    session.send(saying(file, &["a\u{10FFFF}b"])).unwrap();
    assert!(session.services.host.programs.question().is_some());
}

#[test]
fn a_file_that_is_open_for_writing_is_no_program() {
    let mut session = session(ALLOW_ALL);
    session.tree.file("f", "");
    let root = session.root();
    let request = rex_ipc::file_system::OpenFile { mode: WRITE, ..session.opening_file(root, "f") };
    let file = request.id;
    session.send(request).unwrap();

    let refused = session.send(saying(file, &[])).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::InvalidFileMode));
}

#[test]
fn without_what_starts_programs_none_is_started() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let (file, _) = echo(&mut session);

    assert!(session.send(saying(file, &[])).unwrap_err().failure().message.as_str().contains("is not there"));
}

#[test]
fn another_user_brings_its_group_and_what_rex_would_ask_is_asked_before() {
    if !rex_tests::tree::is_root() {
        return;
    }
    let of_group = |group: &str| {
        format!(
            r#"permit(principal, action == file_system::Action::"open", resource);
               permit(principal, action == file_system::Action::"execute", resource)
               when {{ context.group.groupname == "{group}" }};"#
        )
    };
    let begin = |policy: &str, rex_compat: bool, group: Option<&str>| {
        let mut session = session(policy);
        session.services.deciding.rex_compat = rex_compat;
        let (file, path) = echo(&mut session);
        let request = BeginProgram {
            user: Some(Text::cut("daemon")),
            group: group.map(Text::cut),
            ..saying(file, &["x"])
        };
        let outcome = session.send(request).map_err(|refused| assert!(refused.is_denial()));
        let told = |question: String| question.replace(&path, "echo");
        (outcome.is_ok(), session.questions().into_iter().map(told).collect::<Vec<_>>())
    };
    let yes = "permit execute File echo".to_owned();
    let no = "deny execute File echo".to_owned();

    assert_eq!(begin(&of_group("daemon"), false, None), (true, vec![yes.clone()]));
    assert_eq!(begin(&of_group("root"), false, None), (false, vec![no.clone()]));
    // The broker's group is what Rex asks for, and the other one is then only looked at for what forbids it.
    assert_eq!(begin(&of_group("root"), true, None), (true, vec![yes.clone()]));
    assert_eq!(begin(&of_group("daemon"), true, None), (false, vec![no.clone()]));
    let forbidden = r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"execute", resource) when { context.group.gid == 1 };"#;
    assert_eq!(begin(forbidden, true, None), (false, vec![yes.clone(), no]));
    // Who names a group gets that, and is asked once.
    assert_eq!(begin(&of_group("root"), false, Some("root")), (true, vec![yes.clone()]));
    assert_eq!(begin(&of_group("root"), true, Some("root")), (true, vec![yes]));
}

//! What a program writes, and how it ends.

use rex_ipc::program::{ProgramEnd, ReadProgram};
use rex_tests::session::{ALLOW_ALL, Refused, Session};

use super::begin_program::{echo, saying, session};

/// Everything that the program writes, and its end.
fn whole(session: &mut Session) -> Result<(Vec<u8>, ProgramEnd), Refused> {
    let mut output = Vec::new();
    loop {
        let read = session.send(ReadProgram {})?;
        output.extend(read.output.as_slice());
        if let Some(end) = read.end {
            return Ok((output, end));
        }
    }
}

#[test]
fn permitted() {
    let mut session = session(ALLOW_ALL);
    let (file, path) = echo(&mut session);
    session.send(saying(file, &["a word", "another"])).unwrap();
    session.questions();

    let (output, end) = whole(&mut session).unwrap();

    assert_eq!((output.as_slice(), end), (&b"a word another\n"[..], ProgramEnd::Exited { status: 0 }));
    let asked = session.questions();
    assert!(!asked.is_empty() && asked.iter().all(|asked| *asked == format!("permit execute File {path}")));
}

// What the policy is told of the program is told again for each part of what it says.
#[test]
fn denied() {
    let mut session = session(ALLOW_ALL);
    let (file, path) = echo(&mut session);
    session.send(saying(file, &["a word"])).unwrap();
    session.questions();
    let open = r#"permit(principal, action == file_system::Action::"open", resource);"#;
    session.services.deciding.engine = Session::with_policy(open).services.deciding.engine;

    assert!(session.send(ReadProgram {}).unwrap_err().is_denial());

    assert_eq!(session.questions(), [format!("deny execute File {path}")]);
}

#[test]
fn where_no_program_runs_there_is_nothing_to_read() {
    let mut session = session(ALLOW_ALL);

    assert!(
        session
            .send(ReadProgram {})
            .unwrap_err()
            .failure()
            .message
            .as_str()
            .contains("no program is running")
    );
    assert!(session.questions().is_empty());
}

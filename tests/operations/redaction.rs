//! What a script sees of a file that it may read only redacted: never more than the redacted text.

use std::collections::BTreeSet;
use std::path::Path;

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Chunk, ChunkLength, ReadChunk};
use rex_ipc::handle::{AnyId, FileId};
use rex_tests::session::{ALLOW_ALL, Refused, Session};
use rex_tests::tree::{Tree, is_root, mount_new, with_mounts};

const ONLY_REDACTED: &str = r#"permit(principal, action in
    [file_system::Action::"open", file_system::Action::"stat", file_system::Action::"redacted_read"], resource);"#;

const DICTIONARY: &str = "/etc/opt/rex/rex_redaction.config";

/// Runs a test with this dictionary, where nobody else sees it.
fn with_dictionary(dictionary: Option<&str>, test: impl FnOnce() + Send) {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        std::fs::create_dir_all("/etc/opt").unwrap();
        mount_new("tmpfs", Path::new("/etc/opt"));
        std::fs::create_dir("/etc/opt/rex").unwrap();
        if let Some(dictionary) = dictionary {
            std::fs::write(DICTIONARY, dictionary).unwrap();
        }
        test();
    });
}

fn open(session: &mut Session, name: &str) -> FileId {
    let root = session.root();
    session.open_file(root, name).unwrap()
}

fn read(session: &mut Session, file: FileId, offset_bytes: u64, bytes: u32) -> Result<Chunk, Refused> {
    let length = ChunkLength::new(bytes).unwrap();
    session.send(ReadChunk { file, offset_bytes, length, redacted: true })
}

fn whole(session: &mut Session, file: FileId, bytes: u32) -> String {
    let mut content = Vec::new();
    loop {
        let chunk = read(session, file, content.len() as u64, bytes).unwrap();
        content.extend_from_slice(chunk.bytes.as_slice());
        if chunk.end {
            return String::from_utf8(content).unwrap();
        }
    }
}

// spec, 15: "a line matching any pattern is kept, others become `[REDACTED]`; joined with `\n`".
#[test]
fn lines_of_the_dictionary_are_seen_and_all_others_are_not() {
    with_dictionary(Some("connection from %s\nretries: %d\n"), || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        session.tree.file("log", "connection from 10.0.0.1\npassword=hunter2\nretries: 3\n");
        let file = open(&mut session, "log");
        session.records.clear();

        let content = whole(&mut session, file, 1000);

        assert_eq!(content, "connection from 10.0.0.1\n[REDACTED]\nretries: 3");
        assert_eq!(session.questions(), ["deny read File ~/log", "permit redacted_read File ~/log"]);
    });
}

// W7: "the oracle script recovers nothing; line counts are the only leak".
#[test]
fn two_secrets_of_as_many_lines_are_one_to_the_script() {
    with_dictionary(Some("connection from %s\n"), || {
        let secrets = [
            "password=hunter2\nconnection from 10.0.0.1\nx connection from 10.0.0.1 token=y\n",
            "a\nconnection from 10.0.0.1\n\n",
            "\u{e4}\u{20ac} long line, longer than any of the others, with connection from 1 in it\nconnection from 10.0.0.1\nz",
        ];
        let mut seen = BTreeSet::new();
        for secret in secrets {
            let mut session = Session::with_policy(ONLY_REDACTED);
            session.tree.file("log", secret);
            let file = open(&mut session, "log");
            // Every offset and length that a script can choose.
            let mut transcript = String::new();
            for offset in 0..60 {
                for bytes in [1, 2, 7, 10, 1000] {
                    transcript.push_str(&format!("{:?}\n", read(&mut session, file, offset, bytes)));
                }
            }
            for offset in [1_000, u64::from(u32::MAX), u64::MAX] {
                transcript.push_str(&format!("{:?}\n", read(&mut session, file, offset, 10)));
            }
            assert!(!transcript.contains("hunter2"));
            seen.insert(transcript);
        }

        assert_eq!(seen.len(), 1);
    });
}

#[test]
fn pieces_of_any_length_make_the_same_text() {
    with_dictionary(Some("line %d\n"), || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        let text: String = (0..20_000)
            .map(|number| format!("{}{number}\n", if number % 3 == 0 { "line " } else { "no " }))
            .collect();
        session.tree.file("log", &text);
        let file = open(&mut session, "log");

        let content = whole(&mut session, file, 60 * 1024);

        assert_eq!(content.lines().count(), 20_000);
        assert!(content.lines().all(|line| line == "[REDACTED]" || line.starts_with("line ")));
        for bytes in [4096, 10_007] {
            assert!(whole(&mut session, file, bytes) == content, "{bytes}");
        }
    });
}

#[test]
fn plain_content_is_not_given_to_whom_asks_for_it_without_redaction() {
    with_dictionary(Some("%s\n"), || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        session.tree.file("log", "two words\n");
        let file = open(&mut session, "log");

        assert!(session.read(file, 0, 100).unwrap_err().is_denial());
        assert_eq!(whole(&mut session, file, 100), "[REDACTED]");
        assert!(session.read(file, 0, 100).unwrap_err().is_denial());
    });
}

// spec, 15: "`read` allowed wins over `redacted_read`".
#[test]
fn who_may_read_reads() {
    with_dictionary(Some(""), || {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("log", "password\n");
        let file = open(&mut session, "log");

        assert_eq!(whole(&mut session, file, 100), "password\n");
    });
}

#[test]
fn nothing_is_given_away_without_a_dictionary() {
    with_dictionary(None, || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        session.tree.file("log", "password\n");
        let file = open(&mut session, "log");

        let failure = read(&mut session, file, 0, 100).unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::FileError);
        assert!(
            failure.message.as_str().starts_with("File error: Failed to open redaction dictionary file: ")
        );
    });
}

#[test]
fn a_line_that_is_not_text_is_hidden_whatever_the_patterns_and_hides_no_other() {
    with_dictionary(Some("%s\n%m\n"), || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        session.tree.file("log", b"a\n\xff secret\nb\nsecret \xc3");
        let file = open(&mut session, "log");

        assert_eq!(whole(&mut session, file, 3), "a\n[REDACTED]\nb\n[REDACTED]");
    });
}

// spec, 15: a caller of Rex sees what Rex says of such a file, and still nothing of its lines.
#[test]
fn as_in_rex_a_file_with_a_byte_that_is_not_text_fails_and_shows_nothing() {
    with_dictionary(Some("%s\n%m\n"), || {
        let mut session = Session::with_policy_as_in_rex(ONLY_REDACTED);
        for (name, content) in [("first", &b"\xff secret\nseen\n"[..]), ("last", b"seen\nsecret \xc3")] {
            session.tree.file(name, content);
            let file = open(&mut session, name);

            for offset in [0, 1, 1000] {
                let failure = read(&mut session, file, offset, 100).unwrap_err().failure();
                assert_eq!(failure.kind, ErrorKind::IoError, "{name}");
                assert_eq!(failure.message.as_str(), "stream did not contain valid UTF-8", "{name}");
            }
        }
        // The control: what is text is redacted line by line, there as here.
        session.tree.file("text", "word\ntwo words\n");
        let file = open(&mut session, "text");
        assert_eq!(whole(&mut session, file, 100), "word\ntwo words");
    });
}

// And what is hidden is hidden there, too: the branch for Rex changes what fails and not what is seen.
#[test]
fn as_in_rex_lines_that_match_no_pattern_are_hidden() {
    with_dictionary(Some("connection from %s\n"), || {
        let mut session = Session::with_policy_as_in_rex(ONLY_REDACTED);
        session.tree.file("log", "password=x\nconnection from y\n");
        let file = open(&mut session, "log");

        assert_eq!(whole(&mut session, file, 7), "[REDACTED]\nconnection from y");
    });
}

// W7: "Reading the dictionary needs `read` on it, so every redacted script can also read the dictionary."
#[test]
fn the_dictionary_is_not_given_away_under_any_name() {
    with_dictionary(Some("connection from %s\nliteral line\n"), || {
        let hard = "/etc/opt/rex/hard";
        std::fs::hard_link(DICTIONARY, hard).unwrap();
        for policy in [ALLOW_ALL, ONLY_REDACTED] {
            let mut session = Session::with_policy(policy);
            session.tree.link(DICTIONARY, "link");
            session.tree.link("/etc/opt/rex", "way");
            let (link, way) = (session.text("link"), session.text("way/rex_redaction.config"));
            for path in [DICTIONARY, hard, &link, &way] {
                let (parent, name) = path.rsplit_once('/').unwrap();
                assert!(session.cat(path).unwrap_err().is_denial(), "{path}");
                let mut opening = session.opening_dir(parent);
                opening.follow = true;
                let dir = opening.id;
                session.send(opening).unwrap();
                let mut opening = session.opening_file(dir, name);
                opening.follow = true;
                let file = opening.id;
                session.send(opening).unwrap();
                let failure = read(&mut session, file, 0, 100).unwrap_err().failure();
                assert_eq!(failure.kind, ErrorKind::UnsupportedOperationError, "{path}");
                let stat = rex_ipc::file_system::Stat { handle: AnyId::File(file) };
                assert!(session.send(stat).unwrap_err().is_denial(), "{path}");
            }
        }
    });
}

#[test]
fn redacted_reading_needs_no_permission_on_the_dictionary() {
    with_dictionary(Some("%s\n"), || {
        let policy =
            format!(r#"{ONLY_REDACTED} forbid(principal, action, resource in file_system::Dir::"/etc");"#);
        let mut session = Session::with_policy(&policy);
        session.tree.file("log", "word\n");
        let file = open(&mut session, "log");
        session.records.clear();

        assert_eq!(whole(&mut session, file, 100), "word");
        assert!(session.questions().iter().all(|question| question.ends_with(" ~/log")));
    });
}

#[test]
fn redacted_bytes_count_as_read() {
    with_dictionary(Some("%s\n"), || {
        let mut session = Session::with_limits(ONLY_REDACTED, |limits| limits.max_read_bytes = 10_000);
        session.tree.file("log", vec![b'x'; 20_000]);
        let file = open(&mut session, "log");

        let end = read(&mut session, file, 0, 1).unwrap_err().end();

        assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-read-bytes"), "{end:?}");
    });
}

#[test]
fn files_that_are_too_long_to_be_redacted_end_the_run() {
    with_dictionary(Some("%s\n"), || {
        for content in [vec![b'x'; (16 << 20) + 1], vec![b'\n'; 4 << 20]] {
            let mut session = Session::with_policy(ONLY_REDACTED);
            session.tree.file("log", content);
            let file = open(&mut session, "log");

            let end = read(&mut session, file, 0, 1).unwrap_err().end();

            assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "redacted-file-bytes"), "{end:?}");
        }
    });
}

#[test]
fn one_redacted_content_is_held_at_a_time() {
    with_dictionary(Some("%s\n"), || {
        let mut session = Session::with_policy(ONLY_REDACTED);
        let files: Vec<FileId> = (0..4)
            .map(|number| {
                let name = number.to_string();
                session.tree.file(&name, format!("{number}\n"));
                open(&mut session, &name)
            })
            .collect();

        for _ in 0..2 {
            for (number, file) in files.iter().enumerate() {
                assert_eq!(whole(&mut session, *file, 100), number.to_string());
                let held = files
                    .iter()
                    .filter(|file| {
                        session.services.host.handles.file(**file).unwrap().redacted.borrow().is_some()
                    })
                    .count();
                assert_eq!(held, 1);
            }
        }
    });
}

#[test]
fn a_dictionary_replaced_during_the_run_is_still_closed() {
    with_dictionary(Some("%s\n"), || {
        let mut session = Session::with_policy(ALLOW_ALL);
        std::fs::remove_file(DICTIONARY).unwrap();
        std::fs::write(DICTIONARY, "new\n").unwrap();

        assert!(session.cat(DICTIONARY).unwrap_err().is_denial());
    });
}

#[test]
fn the_mounts_of_these_tests_are_seen_by_nobody_else() {
    let before = Path::new(DICTIONARY).exists();

    with_dictionary(Some("%s\n"), || {
        let tree = Tree::new();
        assert!(Path::new(DICTIONARY).exists());
        drop(tree);
    });

    assert_eq!(Path::new(DICTIONARY).exists(), before);
}

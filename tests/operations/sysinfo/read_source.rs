//! Tables of the kernel.

use rex_ipc::sysinfo::{ReadSource, Source};
use rex_tests::session::{ALLOW_ALL, Session};

const ALL: [(Source, &[&str]); 10] = [
    (Source::Memory, &["read File /proc/meminfo"]),
    (Source::Statistics, &["read File /proc/stat"]),
    (Source::Mounts, &["read File /proc/mounts"]),
    (
        Source::MountsOfInit,
        &["open Dir /proc", "open File /proc/mounts", "open File /proc/1/mounts", "read File /proc/1/mounts"],
    ),
    (Source::DiskStatistics, &["read File /proc/diskstats"]),
    (Source::Tcp, &["open File /proc/net/tcp", "read File /proc/net/tcp"]),
    (Source::Tcp6, &["open File /proc/net/tcp6", "read File /proc/net/tcp6"]),
    (Source::Udp, &["open File /proc/net/udp", "read File /proc/net/udp"]),
    (Source::Udp6, &["open File /proc/net/udp6", "read File /proc/net/udp6"]),
    (Source::Unix, &["open File /proc/net/unix", "read File /proc/net/unix"]),
];

fn whole(session: &mut Session, source: Source) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let part = session.send(ReadSource { source, offset_bytes: bytes.len() as u64 }).unwrap();
        bytes.extend(part.bytes.as_slice());
        if part.end {
            return bytes;
        }
    }
}

#[test]
fn permitted() {
    for (source, questions) in ALL {
        let mut session = Session::with_policy(ALLOW_ALL);
        let path = questions.last().unwrap().split(' ').next_back().unwrap();
        if !std::path::Path::new(path).exists() {
            continue;
        }

        let text = String::from_utf8(whole(&mut session, source)).unwrap();

        let first_words = |text: &str| text.split_ascii_whitespace().next().map(str::to_owned);
        assert_eq!(first_words(&text), first_words(&std::fs::read_to_string(path).unwrap()), "{source:?}");
        assert!(text.ends_with('\n'), "{source:?}");
        let asked: Vec<String> = questions.iter().map(|question| format!("permit {question}")).collect();
        assert_eq!(session.questions()[..asked.len()], asked, "{source:?}");
    }
}

#[test]
fn denied() {
    for (source, questions) in ALL {
        let last = questions.last().unwrap();
        for denied in questions {
            let (action, rest) = denied.split_once(' ').unwrap();
            let (kind, path) = rest.split_once(' ').unwrap();
            let policy = format!(
                "{ALLOW_ALL} forbid(principal, action == file_system::Action::\"{action}\", resource == file_system::{kind}::\"{path}\");"
            );
            let mut session = Session::with_policy(&policy);

            assert!(
                session.send(ReadSource { source, offset_bytes: 0 }).unwrap_err().is_denial(),
                "{source:?}"
            );
            assert_eq!(session.questions().last(), Some(&format!("deny {denied}")), "{last}");
        }
    }
}

// What a part belongs to is the text that was made when its beginning was read.
#[test]
fn a_part_needs_its_beginning() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let refused = session.send(ReadSource { source: Source::Memory, offset_bytes: 5 }).unwrap_err();

    assert_eq!(refused.errno(), Some(nix::libc::EINVAL as u16));
    whole(&mut session, Source::Memory);
    assert!(
        session.send(ReadSource { source: Source::Memory, offset_bytes: 5 }).is_err(),
        "it was read to its end"
    );
    for offset_bytes in [u64::MAX, i64::MAX as u64] {
        assert!(session.send(ReadSource { source: Source::Memory, offset_bytes }).is_err());
    }
}

//! Messages of the kernel.

use rex_ipc::sysinfo::ReadKernelLog;
use rex_tests::session::Session;

const READ: &str = r#"permit(principal, action == file_system::Action::"read", resource == file_system::File::"/dev/kmsg");"#;

#[test]
fn permitted() {
    let mut session = Session::with_policy(READ);

    // Where the kernel lets nobody read them, it says so and not the policy.
    match session.send(ReadKernelLog { after: None }) {
        Ok(page) => {
            let mut numbers = Vec::new();
            for record in page.records.as_slice() {
                let text = String::from_utf8_lossy(record.as_slice()).into_owned();
                assert!(text.contains(';') && text.ends_with('\n'), "{text:?}");
                numbers.push(text.split(',').nth(1).unwrap().parse::<u64>().unwrap());
            }
            assert!(numbers.is_sorted(), "{numbers:?}");
            if let Some(after) = page.next {
                assert_eq!(Some(&after), numbers.last());
                let rest = session.send(ReadKernelLog { after: Some(after) }).unwrap();
                let first = String::from_utf8_lossy(rest.records.as_slice()[0].as_slice()).into_owned();
                assert!(first.split(',').nth(1).unwrap().parse::<u64>().unwrap() > after);
            }
        }
        Err(refused) => {
            assert!(!refused.is_denial() && std::fs::File::open("/dev/kmsg").is_err(), "{refused:?}")
        }
    }
    assert_eq!(session.questions()[0], "permit read File /dev/kmsg");
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");

    assert!(session.send(ReadKernelLog { after: None }).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny read File /dev/kmsg"]);
}

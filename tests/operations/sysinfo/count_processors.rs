//! The number of processors.

use rex_ipc::sysinfo::CountProcessors;
use rex_tests::session::Session;

use super::LIST;

#[test]
fn permitted() {
    let mut session = Session::with_policy(LIST);

    let count = session.send(CountProcessors {}).unwrap().count;

    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let ranges = text.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<u32>().unwrap() - first.parse::<u32>().unwrap() + 1
    });
    assert_eq!(count, ranges.sum::<u32>());
    assert_eq!(session.questions(), ["permit list sysinfo::Sysinfo host"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");

    assert!(session.send(CountProcessors {}).unwrap_err().is_denial());
}

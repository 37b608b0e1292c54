//! Descriptions of processes.

use std::collections::BTreeSet;

use rex_ipc::process_system::{ListProcesses, ProcessPage, ProcessRecord, Processes};
use rex_tests::session::{ALLOW_ALL, Session};

use super::{Victim, only};

fn list(which: Processes) -> ListProcesses {
    ListProcesses { which, tasks: false, namespaces: false }
}

fn all(session: &mut Session, tasks: bool) -> Vec<ProcessRecord> {
    let mut records = Vec::new();
    let mut next = Some((0, 0));
    while let Some((pid, task)) = next {
        let request = ListProcesses { tasks, ..list(Processes::After { pid, task }) };
        let page: ProcessPage = session.send(request).unwrap();
        records.extend(page.processes.into_vec());
        next = page.next;
    }
    records
}

#[test]
fn permitted() {
    let victim = Victim::start();
    let mut session = Session::with_policy(&only(&["list"], victim.pid()));

    let records = all(&mut session, false);

    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.pid, record.parent), (victim.pid(), std::process::id()));
    assert_eq!((record.name.as_str(), record.command.as_str()), ("sleep", "sleep 1000"));
    assert_eq!(record.uid, nix::unistd::geteuid().as_raw());
    assert!(record.resident_bytes > 0 && record.started_ticks > 0 && !record.is_task, "{record:?}");
    let permitted: Vec<_> =
        session.questions().into_iter().filter(|question| question.starts_with("permit")).collect();
    assert_eq!(permitted, [format!("permit list process_system::Process {}", victim.pid())]);
}

#[test]
fn denied() {
    let victim = Victim::start();
    let mut session = Session::with_policy(&only(&["kill", "list_fds"], victim.pid()));

    let page = session.send(list(Processes::One { pid: victim.pid(), task: None })).unwrap();

    assert!(page.processes.as_slice().is_empty());
    assert_eq!(session.questions(), [format!("deny list process_system::Process {}", victim.pid())]);
}

#[test]
fn the_kernel_says_who_it_is_whatever_the_process_calls_itself() {
    let victim = Victim::start();
    let uid = nix::unistd::geteuid().as_raw();
    let policy = format!(
        "permit(principal, action == process_system::Action::\"list\", resource)
         when {{ resource.uid == {uid} && resource has exe && resource.exe like \"*/*\" && resource.start_time > 0
                && resource.name == \"sleep\" && resource.pid == \"{}\" }};",
        victim.pid()
    );

    let records = all(&mut Session::with_policy(&policy), false);

    assert_eq!(records.iter().map(|record| record.pid).collect::<Vec<_>>(), [victim.pid()]);
}

#[test]
fn processes_of_the_run_are_never_shown() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let victim = Victim::start();
    session.services.hide_process(victim.pid());

    let records = all(&mut session, true);

    let pids: BTreeSet<u32> = records.iter().map(|record| record.pid).collect();
    assert!(pids.contains(&1) || records.len() > 1, "{pids:?}");
    let own: BTreeSet<u32> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(pids.intersection(&own).count(), 0, "{pids:?}");
    assert!(!pids.contains(&victim.pid()));
    assert!(session.questions().iter().filter(|question| question.starts_with("deny")).count() > 1);
}

#[test]
fn tasks_come_behind_their_process() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let records = all(&mut session, true);

    let mut process = 0;
    for record in &records {
        if record.is_task {
            assert_eq!(record.parent, process, "{record:?}");
        } else {
            process = record.pid;
        }
    }
    let one = records.iter().find(|record| record.is_task);
    if let Some(task) = one {
        let which = Processes::TasksOf { pid: task.parent, task: 0 };
        let page = session.send(list(which)).unwrap();
        assert!(
            page.processes.as_slice().iter().all(|record| record.is_task && record.parent == task.parent)
        );
    }
}

#[test]
fn a_namespace_is_told_where_its_questions_are_permitted() {
    let victim = Victim::start();
    let (pid, which) = (victim.pid(), Processes::One { pid: victim.pid(), task: None });
    let request = ListProcesses { namespaces: true, ..list(which) };
    let mut session = Session::with_policy(ALLOW_ALL);

    let page = session.send(request.clone()).unwrap();

    let namespace = page.processes.as_slice()[0].namespace.unwrap();
    let link = std::fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("pid:[{}]", namespace.inode));
    assert_eq!(namespace.pid, pid);
    assert_eq!(
        session.questions(),
        [
            format!("permit open Dir /proc/{pid}"),
            format!("permit open Dir /proc/{pid}/ns"),
            format!("permit read File /proc/{pid}/ns/pid"),
            format!("permit open File /proc/{pid}/status"),
            format!("permit read File /proc/{pid}/status"),
            format!("permit list process_system::Process {pid}"),
        ]
    );
    let mut session = Session::with_policy(&only(&["list"], pid));
    let page = session.send(request).unwrap();
    assert_eq!(page.processes.as_slice()[0].namespace, None);
}

#[test]
fn nobody_is_not_there() {
    let mut session = Session::with_policy(ALLOW_ALL);

    for pid in [0, i32::MAX as u32, u32::MAX] {
        let page = session.send(list(Processes::One { pid, task: None })).unwrap();
        assert!(page.processes.as_slice().is_empty(), "{pid}");
        // Nothing of the host is told where nothing was permitted.
        assert_eq!((page.uptime_ns, page.memory_bytes), (0, 0), "{pid}");
    }
    assert!(session.questions().is_empty());
}

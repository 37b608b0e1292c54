//! What processes hold open.

use std::fs::File;
use std::process::{Command, Stdio};

use rex_ipc::bounded::Text;
use rex_ipc::file_system::EntryType;
use rex_ipc::limits::MAX_OPEN_ENTRIES;
use rex_ipc::process_system::{Holder, Holders, ListOpenFiles, OpenAccess, OpenEntry, Sought};
use rex_tests::session::{ALLOW_ALL, Session};

use super::{Victim, only};

const PROC: &str = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource == file_system::Dir::"/proc");
"#;

/// A process that holds this file open as its standard input.
fn holding(file: &File) -> Victim {
    let input = Stdio::from(file.try_clone().unwrap());
    Victim(Command::new("sleep").arg("1000").stdin(input).spawn().unwrap())
}

fn at(path: &str, below: bool) -> ListOpenFiles {
    let sought = Sought::At { path: Text::cut(path), below };
    ListOpenFiles { of: Holders::From { pid: 0, skip: 0 }, sought }
}

fn holders(session: &mut Session, mut request: ListOpenFiles) -> Vec<Holder> {
    let mut all = Vec::new();
    loop {
        let page = session.send(request.clone()).unwrap();
        all.extend(page.holders.into_vec());
        let Some((pid, skip)) = page.next else { return all };
        request.of = match request.of {
            Holders::One { .. } => Holders::One { pid, skip },
            Holders::From { .. } => Holders::From { pid, skip },
        };
    }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("f", "x");
    let (path, file) = (session.text("f"), File::open(session.path("f")).unwrap());
    let victim = holding(&file);
    drop(file);

    let request =
        ListOpenFiles { of: Holders::One { pid: victim.pid(), skip: 0 }, sought: Sought::Everything };
    let found = holders(&mut session, request);

    let [holder] = &found[..] else { panic!("{found:?}") };
    assert_eq!(holder.pid, victim.pid());
    let entries = holder.entries.as_slice();
    let of =
        |access: OpenAccess| entries.iter().filter(move |entry| entry.access == access).collect::<Vec<_>>();
    assert_eq!(of(OpenAccess::Root)[0].target.as_str(), "/");
    assert_eq!(of(OpenAccess::WorkingDirectory)[0].entry_type, EntryType::Dir);
    let input =
        OpenEntry { access: OpenAccess::Descriptor, entry_type: EntryType::File, target: Text::cut(&path) };
    assert!(of(OpenAccess::Descriptor).contains(&&input), "{entries:?}");
    assert_eq!(
        session.questions(),
        [
            "permit open Dir /proc",
            "permit read Dir /proc",
            &format!("permit list_fds process_system::Process {}", victim.pid())
        ]
    );
}

#[test]
fn denied() {
    let mut session = Session::with_policy(PROC);
    session.tree.file("f", "x");
    let file = File::open(session.path("f")).unwrap();
    let victim = holding(&file);
    let path = session.text("f");

    // Of one process, a denial is an error; of all, it is left out.
    let request =
        ListOpenFiles { of: Holders::One { pid: victim.pid(), skip: 0 }, sought: Sought::Everything };
    assert!(session.send(request.clone()).unwrap_err().is_denial());
    assert_eq!(holders(&mut session, at(&path, false)), []);
    let mut session = Session::with_policy(&only(&["list_fds"], victim.pid()));
    assert!(session.send(request).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny open Dir /proc"]);
}

#[test]
fn a_path_finds_its_holders() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/f", "x");
    let file = File::open(session.path("d/f")).unwrap();
    let victim = holding(&file);
    drop(file);
    let (file, directory, beside) = (session.text("d/f"), session.text("d"), session.text("d/") + "f2");

    let pids = |found: Vec<Holder>| found.iter().map(|holder| holder.pid).collect::<Vec<_>>();
    assert_eq!(pids(holders(&mut session, at(&file, false))), [victim.pid()]);
    assert_eq!(pids(holders(&mut session, at(&directory, true))), [victim.pid()]);
    assert_eq!(pids(holders(&mut session, at(&directory, false))), [0; 0]);
    assert_eq!(pids(holders(&mut session, at(&beside, true))), [0; 0]);
}

#[test]
fn many_descriptors_come_in_pages() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let victim = Command::new("bash")
        .args(["-c", "i=10; while [ $i -lt 3000 ]; do eval \"exec $i</dev/null\" 2>/dev/null || break; i=$((i+1)); done; echo; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut victim = Victim(victim);
    let mut line = [0];
    std::io::Read::read_exact(victim.0.stdout.as_mut().unwrap(), &mut line).unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", victim.pid())).unwrap().count();

    let request =
        ListOpenFiles { of: Holders::One { pid: victim.pid(), skip: 0 }, sought: Sought::Everything };
    let found = holders(&mut session, request);

    let all: Vec<&OpenEntry> = found.iter().flat_map(|holder| holder.entries.as_slice()).collect();
    let descriptors = all.iter().filter(|entry| entry.access == OpenAccess::Descriptor).count();
    assert_eq!(descriptors, open);
    assert_eq!(all.iter().filter(|entry| entry.access == OpenAccess::Root).count(), 1);
}

#[test]
fn sockets_are_told_of_those_that_may_be_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let input = Stdio::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
    let victim = Victim(Command::new("sleep").arg("1000").stdin(input).spawn().unwrap());
    let policy = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource == file_system::File::"/proc");
"#;
    let request = ListOpenFiles { of: Holders::From { pid: victim.pid(), skip: 0 }, sought: Sought::Sockets };

    let mut session = Session::with_policy(&format!("{policy}{}", only(&["list_fds"], victim.pid())));
    let found = holders(&mut session, request.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].entries.as_slice()[0].target.as_str().starts_with("socket:["), "{found:?}");

    // Without a permit nothing is told, but to scripts of Rex, which does not ask.
    assert_eq!(holders(&mut Session::with_policy(policy), request.clone()), []);
    assert!(!holders(&mut Session::with_policy_as_in_rex(policy), request.clone()).is_empty());
    let forbid = "forbid(principal, action == process_system::Action::\"list_fds\", resource);";
    assert_eq!(holders(&mut Session::with_policy_as_in_rex(&format!("{policy}{forbid}")), request), []);
}

/// A process with this many descriptors, and nothing else of interest; nothing where this user may not have as many.
fn crowded(descriptors: u32) -> Option<Victim> {
    let program = format!(
        "import os, resource, signal\n\
         try:\n resource.setrlimit(resource.RLIMIT_NOFILE, ({0} + 10, max({0} + 10, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))\n\
         except (ValueError, OSError):\n print('no'); raise SystemExit\n\
         null = os.open('/dev/null', os.O_RDONLY)\n\
         for number in range(null + 1, {0}): os.dup2(null, number)\n\
         print('go', flush=True)\nsignal.pause()",
        descriptors
    );
    let victim = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 can be run");
    let mut victim = Victim(victim);
    let mut said = [0; 2];
    std::io::Read::read_exact(victim.0.stdout.as_mut().unwrap(), &mut said).unwrap();
    (said == *b"go").then_some(victim)
}

// Issue: a process with 50,000 descriptors.
#[test]
fn fifty_thousand_descriptors_come_whole_in_bounded_pages() {
    const MANY: u32 = 50_000;
    let Some(victim) = crowded(MANY) else {
        rex_tests::skip::skipped("this user may not have 50,000 descriptors");
        return;
    };
    let mut session = Session::with_policy(ALLOW_ALL);
    let (mut skip, mut pages, mut descriptors) = (0, 0, 0);
    loop {
        let of = Holders::One { pid: victim.pid(), skip };
        let page = session.send(ListOpenFiles { of, sought: Sought::Everything }).unwrap();
        let entries = page.holders.as_slice().iter().flat_map(|holder| holder.entries.as_slice());
        let found = entries.clone().filter(|entry| entry.access == OpenAccess::Descriptor).count();
        assert!(entries.count() <= MAX_OPEN_ENTRIES);
        descriptors += found;
        pages += 1;
        match page.next {
            Some((pid, next)) => {
                assert!(pid == victim.pid() && next > skip, "it goes on: {next} after {skip}");
                skip = next;
            }
            None => break,
        }
    }
    assert_eq!(descriptors, MANY as usize, "each of them once");
    assert!(pages > MANY as usize / MAX_OPEN_ENTRIES, "{pages} pages");
    // For whoever seeks sockets there are none among them, and one page says so.
    let of = Holders::From { pid: victim.pid(), skip: 0 };
    let page = session.send(ListOpenFiles { of, sought: Sought::Sockets }).unwrap();
    assert!(page.holders.as_slice().iter().all(|holder| holder.pid != victim.pid()), "{page:?}");
}

#[test]
fn a_socket_is_told_from_what_only_has_its_name() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("socket:[1]", "x");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let input = Stdio::from(std::os::fd::OwnedFd::from(listener));
    let named = Stdio::from(File::open(session.path("socket:[1]")).unwrap());
    let mut command = Command::new("sleep");
    let victim = Victim(command.arg("1000").stdin(input).stdout(named).spawn().unwrap());

    let request = ListOpenFiles { of: Holders::From { pid: victim.pid(), skip: 0 }, sought: Sought::Sockets };
    let found = holders(&mut session, request);

    let found: Vec<&Holder> = found.iter().filter(|holder| holder.pid == victim.pid()).collect();
    let entries: Vec<&OpenEntry> = found.iter().flat_map(|holder| holder.entries.as_slice()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(entries[0].target.as_str().starts_with("socket:["), "{entries:?}");
    assert_eq!(entries[0].entry_type, EntryType::Socket);
}

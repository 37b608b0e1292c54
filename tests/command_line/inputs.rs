//! Inputs that try to take the broker itself: each is refused by a clear message, in time, with little memory.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use rex_tests::program;
use rex_tests::runs::{Ended, Run};

/// What the broker may have resident.
const BROKER_KIB: u64 = 64 * 1024;

/// Which of the three files is meant.
const FILES: [&str; 3] = ["script.rhai", "policy.cedar", "arguments.json"];

/// A run that is given all three files, each of them fine.
fn with_all() -> Run {
    let run = Run::of("1");
    let arguments = run.scratch.file("arguments.json", "{}");
    run.options([OsStr::new("-a"), arguments.as_os_str()])
}

/// Runs it, and asserts what holds for every refusal.
fn refused(name: &str, run: Run, code: i32, part: &str) -> Ended {
    let begun = Instant::now();
    let (ended, peak) = run.finish_and_measure();
    assert_eq!(ended.code(), Some(code), "{name}: {} {}", ended.text(), ended.stderr);
    assert!(ended.message().contains(part), "{name}: {}", ended.message());
    assert_eq!(ended.jail_end(), "not_started");
    assert!(peak < BROKER_KIB, "{name}: the broker had {peak} KiB");
    eprintln!("{name}: exit {code}, {peak} KiB, {:?}: {}", begun.elapsed(), ended.message());
    ended
}

/// Makes a file of that length that takes no room on the disk.
fn sparse(path: &Path, length: u64) {
    File::create(path).and_then(|file| file.set_len(length)).expect("a file can have a hole");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    for name in FILES {
        for length in [100 << 20, 1 << 40] {
            let run = with_all();
            sparse(&run.scratch.path().join(name), length);

            refused(name, run, 65, "larger than");
        }
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    for name in FILES {
        let run = with_all();
        fs::write(run.scratch.path().join(name), b"\xff\xfe1\0").expect("it can be written");

        refused(name, run, 65, "stream did not contain valid UTF-8");
    }
}

#[test]
fn a_directory_is_refused() {
    for name in FILES {
        let run = with_all();
        let path = run.scratch.path().join(name);
        fs::remove_file(&path).expect("it is there");
        fs::create_dir(&path).expect("a directory can be made");

        let (code, part) = match name {
            // A directory of policies is a policy, but not without one.
            "policy.cedar" => (66, "policy"),
            _ => (66, "Is a directory"),
        };
        refused(name, run, code, part);
    }
}

#[test]
fn what_is_missing_or_a_loop_of_links_is_refused() {
    for name in FILES {
        let missing = with_all();
        fs::remove_file(missing.scratch.path().join(name)).expect("it is there");
        refused(name, missing, 66, "No such file or directory");

        let turning = with_all();
        let path = turning.scratch.path().join(name);
        fs::remove_file(&path).expect("it is there");
        std::os::unix::fs::symlink(&path, &path).expect("a link can be made");
        refused(name, turning, 66, "Too many levels of symbolic links");
    }
}

#[test]
fn a_fifo_that_nobody_writes_to_ends_with_the_time_of_the_run() {
    for name in FILES {
        let run = with_all().options(["--timeout", "1"]);
        let path = run.scratch.path().join(name);
        fs::remove_file(&path).expect("it is there");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO can be made");
        let begun = Instant::now();

        refused(name, run, 66, "has not come to its end in time");

        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_fifo_that_never_ends_is_read_to_the_limit_and_no_further() {
    for name in FILES {
        let run = with_all();
        let path = run.scratch.path().join(name);
        fs::remove_file(&path).expect("it is there");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO can be made");
        let writer = thread::spawn(move || {
            let mut fifo = OpenOptions::new().write(true).open(path).expect("the broker reads it");
            let piece = vec![b' '; 1 << 16];
            // Until the broker has gone.
            while fifo.write_all(&piece).is_ok() {}
        });

        refused(name, run, 65, "larger than");

        writer.join().expect("the writer ends with its reader");
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_to_the_limit_and_no_further() {
    // `/dev/zero` is what a file looks like whose writer is always faster.
    for name in FILES {
        let run = with_all();
        let path = run.scratch.path().join(name);
        fs::remove_file(&path).expect("it is there");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link can be made");

        refused(name, run, 65, "larger than");
    }
}

#[test]
fn what_a_shell_hands_over_through_a_pipe_works() {
    let run = Run::of("1");
    let broker = program::path().display();
    let line = format!(
        "{broker} --jail -s <(echo '40 + n') -p <(echo 'permit(principal, action, resource);') \
         -a <(echo '{{\"n\": {{\"integerValue\": 2}}}}') --audit-log none -o human"
    );

    let output = Command::new("bash")
        .args(["-c", &line])
        .current_dir(run.scratch.path())
        .stdin(Stdio::null())
        .output()
        .expect("there is a bash");

    assert_eq!(output.stdout, b"42\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn a_policy_nested_20000_deep_is_refused() {
    for (open, close) in [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("if true then ", " else true")] {
        let policy = format!(
            "permit(principal, action, resource) when {{ {}true{} }};",
            open.repeat(20_000),
            close.repeat(20_000)
        );

        let ended = refused(open, Run::of("1").policy(&policy), 65, "");

        assert!(!ended.message().is_empty());
        assert!(ended.message().len() < 2000, "{}", ended.message());
    }
}

#[test]
fn a_million_policies_are_refused() {
    let policy = "permit(principal,action,resource);".repeat(1_000_000);
    assert!(policy.len() > 16 << 20);
    refused("too long", Run::of("1").policy(&policy), 65, "larger than");

    let short = "permit(principal,action,resource);".repeat(400_000);
    assert!(short.len() < 16 << 20);
    let begun = Instant::now();
    refused("not too long", Run::of("1").policy(&short), 65, "");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn words_that_are_not_utf_8_name_files_or_are_refused() {
    let run = Run::of("1");
    let name = OsStr::from_bytes(b"arguments-\xff.json");
    fs::write(run.scratch.path().join(name), "{}").expect("such names can be had");
    let ended = run.options([OsStr::new("-a"), name]).finish();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());

    let missing = Run::of("1").options([OsStr::new("-a"), OsStr::from_bytes(b"missing-\xff.json")]);
    refused("missing", missing, 66, "missing-\u{fffd}.json: No such file");

    for option in ["--timeout", "--require", "--output-format", "--max-calls-per-operation"] {
        let ended = Run::of("1").options([OsStr::new(option), OsStr::from_bytes(b"\xff")]).finish();

        assert_eq!(ended.code(), Some(64), "{option}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: invalid "), "{option}: {}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn arguments_that_are_nested_or_many_are_refused_or_taken() {
    let with = |text: String| {
        let run = Run::of("1");
        let path = run.scratch.file("arguments.json", text);
        run.options([OsStr::new("-a"), path.as_os_str()])
    };
    let deep =
        |count: usize| format!("{{\"a\":{}0{}}}", "{\"listValue\":[".repeat(count), "]}".repeat(count));

    refused("deep", with(deep(20_000)), 65, "recursion limit exceeded");
    refused("brackets", with("[".repeat(1_000_000)), 65, "Failed to parse script arguments JSON");
    refused("number", with(format!("{{\"a\":{{\"longValue\":{}}}}}", "9".repeat(1_000_000))), 65, "number");
    let many: Vec<String> = (0..100_000).map(|n| format!("\"a{n}\":{{\"integerValue\":{n}}}")).collect();
    let (ended, peak) = with(format!("{{{}}}", many.join(","))).finish_and_measure();
    assert!([Some(0), Some(75)].contains(&ended.code()), "{}", ended.text());
    assert!(peak < BROKER_KIB, "{peak} KiB");
}

#[test]
fn the_record_cannot_be_a_directory_a_fifo_or_a_device() {
    let run = Run::of("1");
    let fifo = run.scratch.path().join("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO can be made");
    let places = [run.scratch.path().to_owned(), fifo, "/dev/full".into(), "/proc/self/comm".into()];

    for place in places {
        let ended = Run::of("1").audit_log(&place).finish();

        assert_eq!(ended.code(), Some(74), "{}: {}", place.display(), ended.text());
        assert_eq!(ended.jail_end(), "not_started");
    }
}

//! Core dumps are looked into by gdb, which sees nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use rex_tests::runs::{Ended, Run};
use rex_tests::skip::skipped;
use rex_tests::tree::is_root;

/// A program of several frames that ends itself by a signal, with variables of several kinds.
const PROGRAM: &str = r#"
#include <stdlib.h>
struct point { int x; int y; struct point *next; };
static struct point spot = { 1, -2, &spot };
static const char *text = "one\nrex-broker: 1\n$1 = 99";
static int many[3] = { 7, 8, 9 };
__attribute__((noinline)) static void inner(int depth, const char *word) {
    volatile int twice = depth * 2;
    if (depth == 0) abort();
    inner(depth - 1, word);
    twice++;
}
int main(void) { inner(2, "wo)rd (x) at y:7"); return spot.x + many[0] + (text != 0); }
"#;

/// In place of the debugger: what it could do beside its work, told as the name of a function.
const STAND_IN: &str = r##"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
static int can_open(const char *path, int how) { int fd = open(path, how); if (fd >= 0) close(fd); return fd >= 0; }
int main(int count, char **words) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) { execl("/bin/true", "true", (char *)0); _exit(9); }
    waitpid(child, &status, 0);
    printf("#0  program=%d,core=%d,write=%d,other=%d,network=%d,execute=%d,trace=%d ()\n",
        can_open(words[count - 2], O_RDONLY), can_open(words[count - 1], O_RDONLY), can_open(words[count - 1], O_RDWR),
        can_open("OTHER", O_RDONLY), socket(AF_INET, SOCK_STREAM, 0) >= 0, WIFEXITED(status) && WEXITSTATUS(status) == 0,
        ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
    return 0;
}
"##;

/// Builds a program beside the script of a run.
fn built(run: &Run, name: &str, source: &str) -> Option<String> {
    let source = run.scratch.file(&format!("{name}.c"), source);
    let program = run.scratch.path().join(name);
    let built = Command::new("cc").args(["-g", "-O0", "-o"]).arg(&program).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        skipped("a C compiler is needed");
        return None;
    }
    Some(program.to_str().expect("it is text").to_owned())
}

/// A run with a program `p`, and what it has left, `c`; nothing where that cannot be had.
fn dumped() -> Option<(Run, String)> {
    if !is_root() {
        return None;
    }
    if !Path::new("/usr/bin/gdb").exists() {
        skipped("/usr/bin/gdb is needed: package gdb");
        return None;
    }
    let run = Run::of("");
    let program = built(&run, "p", PROGRAM)?;
    let place = run.scratch.path().to_str().expect("it is text").to_owned();
    let dump = format!("generate-core-file {place}/c");
    let output = Command::new("/usr/bin/gdb")
        .args(["-nx", "-batch", "-ex", "run", "-ex", &dump, &program])
        .output()
        .expect("gdb can be run");
    assert!(Path::new(&place).join("c").exists(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((run, place))
}

fn policy(place: &str) -> String {
    format!(
        "permit(principal, action == file_system::Action::\"open\", resource == file_system::Dir::\"/usr/bin\");\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"execute\"], resource == file_system::File::\"/usr/bin/gdb\");\n\
         permit(principal, action == file_system::Action::\"open\", resource == file_system::Dir::\"{place}\");\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource == file_system::File::\"{place}/p\");\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource == file_system::File::\"{place}/c\");\n"
    )
}

fn finish(run: Run, place: &str, policy: &str, options: &[&str], script: &str) -> Ended {
    let script = format!("let dump = CoreDump(\"{place}/p\", \"{place}/c\");\n{script}");
    run.scratch.file("script.rhai", script);
    run.policy(policy).options(options).finish()
}

const FUNCTIONS: &str = "let process = dump.backtrace(); let first = process.threads[0];\n\
     let named = first.frames.filter(|f| f.function_name == \"inner\" || f.function_name == \"main\");\n\
     [process.pid == first.tid, first.id, named.map(|f| [f.function_name, f.line_number > 0, f.source.ends_with(\"p.c\")])]";

#[test]
fn every_frame_is_told_however_programs_are_confined() {
    for how in ["confined", "approximate", "unconfined"] {
        let Some((run, place)) = dumped() else { return };

        let ended = finish(run, &place, &policy(&place), &["--children", how], FUNCTIONS);

        let frame = |name: &str| format!("[\"{name}\", true, true]");
        let expected = format!("[true, 1, [{0}, {0}, {0}, {1}]]", frame("inner"), frame("main"));
        assert_eq!(ended.document()["output"], expected, "{how}: {} {}", ended.message(), ended.stderr);
        let records = ended.records();
        let decision = records.iter().find(|record| record["context"].is_object()).expect("it is on record");
        assert_eq!(decision["act"]["children"], if how == "unconfined" { "host" } else { how });
        let line = decision["context"]["command_line"].as_str().expect("it has one").to_owned();
        assert!(
            line.starts_with("gdb -nx -batch ") && line.ends_with(" /proc/self/fd/3 /proc/self/fd/4"),
            "{line}"
        );
    }
}

#[test]
fn each_variable_has_its_own_value_and_the_frame_is_the_one_that_was_asked_for() {
    let Some((run, place)) = dumped() else { return };
    // The first three frames or so are those of the C library.
    let script = "let n = dump.backtrace().threads[0].frames.filter(|f| f.function_name == \"inner\")[1].frame_number;\n\
         let got = dump.get_variables(n, [\"missing\", \"twice\", \"other\", \"spot.next->y\", \"many[1]\", \"text\"]);\n\
         let again = dump.get_variables(1, n, [\"depth\"]);\n\
         let no = [];\n\
         for act in [|| dump.get_variables(9999, [\"many\"]), || dump.get_variables(77, 0, [\"many\"])] {\n\
             try { act.call(); no.push(\"told\") } catch (e) { no.push(e.message.contains(\"there is no frame\")) }\n\
         }\n\
         [got.keys().len(), got.twice, got[\"spot.next->y\"], got[\"many[1]\"], got.text.contains(\"$1 = 99\"), again.depth, no]";

    let ended = finish(run, &place, &policy(&place), &[], script);

    let expected = "[4, \"2\", \"-2\", \"8\", true, \"1\", [true, true]]";
    assert_eq!(ended.document()["output"], expected, "{} {}", ended.message(), ended.stderr);
}

// W8: the debugger was executed under a policy that forbids to execute anything.
#[test]
fn a_policy_that_forbids_to_execute_forbids_the_debugger_and_rex_needs_no_permit_for_it() {
    let forbid = "forbid(principal, action == file_system::Action::\"execute\", resource);\n";
    let without = |place: &str| policy(place).replace(", file_system::Action::\"execute\"", "");
    for options in [&[][..], &["--rex-compat"][..]] {
        let Some((run, place)) = dumped() else { return };
        let ended = finish(run, &place, &format!("{}{forbid}", policy(&place)), options, "dump.backtrace()");
        assert!(ended.message().contains("execute"), "{options:?}: {}", ended.message());
    }
    let Some((run, place)) = dumped() else { return };
    let ended = finish(run, &place, &without(&place), &[], "dump.backtrace()");
    assert!(ended.message().contains("execute"), "{}", ended.message());
    let Some((run, place)) = dumped() else { return };
    let ended =
        finish(run, &place, &without(&place), &["--rex-compat"], "dump.backtrace().threads.len() > 0");
    assert_eq!(ended.document()["output"], "true", "{} {}", ended.message(), ended.stderr);
}

#[test]
fn what_is_no_program_and_no_core_dump_is_told() {
    let Some((run, place)) = dumped() else { return };
    fs::write(format!("{place}/c"), "no core").expect("it can be written");
    let ended = finish(run, &place, &policy(&place), &[], "dump.get_variables(0, [\"many\"])");
    assert!(ended.message().contains("Unable to parse trace for executable"), "{}", ended.message());

    let Some((run, place)) = dumped() else { return };
    for file in ["p", "c"] {
        fs::write(format!("{place}/{file}"), "no program").expect("it can be written");
    }
    let ended = finish(run, &place, &policy(&place), &[], "dump.backtrace()");
    assert!(ended.message().contains(&format!("Invalid executable: {place}/p")), "{}", ended.message());
}

// Whoever has written the core dump may have got hold of the debugger.
#[test]
fn a_debugger_that_somebody_else_drives_reaches_nothing_but_the_two_files() {
    for how in ["confined", "approximate", "unconfined"] {
        let Some((run, place)) = dumped() else { return };
        let other = run.scratch.file("other", "secret");
        let source = STAND_IN.replace("OTHER", other.to_str().expect("it is text"));
        let Some(stand_in) = built(&run, "stand_in", &source) else { return };
        let prepare = format!("set -e; mount --bind {stand_in} /usr/bin/gdb; exec \"$@\"");
        let run = run.behind(["/usr/bin/unshare", "--mount", "/bin/sh", "-c", &prepare, "sh"]);

        let ended = finish(
            run,
            &place,
            &policy(&place),
            &["--children", how],
            "dump.backtrace().threads[0].frames[0].function_name",
        );

        assert_eq!(
            ended.document()["output"],
            "program=1,core=1,write=0,other=0,network=0,execute=0,trace=0",
            "{how}: {} {}",
            ended.message(),
            ended.stderr
        );
        // A control: by itself it can do all of it.
        let alone = Command::new(&stand_in).args([&stand_in, &stand_in]).output().expect("it runs");
        let alone = String::from_utf8_lossy(&alone.stdout).into_owned();
        assert!(alone.contains("program=1,core=1,write="), "{alone}");
        assert!(alone.contains(",other=1,network=1,execute=1,trace=1"), "{alone}");
    }
}

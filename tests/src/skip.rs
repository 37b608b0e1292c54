//! How a test says that it left something out, so that it is seen although the test passes.

use std::io::{self, Write};

/// Says on standard error which test left something out, and why.
///
/// The harness keeps what a passing test says by `eprintln!`; what is written to the stream itself is seen.
pub fn skipped(reason: impl AsRef<str>) {
    let thread = std::thread::current();
    let line = format!("skipped {}: {}\n", thread.name().unwrap_or("a test"), reason.as_ref());
    drop(io::stderr().write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::program::checkout;

    const PROBE: &str = "skip::tests::a_test_leaves_something_out";

    // Says something only when the next test runs it.
    #[test]
    fn a_test_leaves_something_out() {
        if std::env::var_os("REX_SKIP_PROBE").is_some() {
            eprintln!("this is kept");
            skipped("this is seen");
        }
    }

    #[test]
    fn what_is_left_out_is_seen_although_the_test_passes() {
        let program = std::env::current_exe().expect("this is a program");

        let output = Command::new(program).args(["--exact", PROBE]).env("REX_SKIP_PROBE", "1").output();

        let output = output.expect("it can be run again");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(stderr, format!("skipped {PROBE}: this is seen\n"));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("this is kept"));
    }

    #[test]
    fn no_test_says_so_where_nobody_sees_it() {
        let pattern = format!("print(ln)?!\\(\"{}", "skipped");

        let found = Command::new("grep")
            .args(["-rlE", "--include=*.rs", &pattern, "tests"])
            .current_dir(checkout())
            .output();

        let found = String::from_utf8_lossy(&found.expect("grep is there").stdout).into_owned();
        assert_eq!(found, "", "these use `rex_tests::skip::skipped` instead");
    }

    // `tree::is_root` says it by itself; whoever asks in another way has to.
    #[test]
    fn what_is_left_out_for_lack_of_root_is_said() {
        let mut waiting = vec![checkout().join("tests")];
        let mut found = 0;
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(
                    std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()),
                );
                continue;
            }
            let Ok(source) = std::fs::read_to_string(&path) else { continue };
            let lines: Vec<&str> = source.lines().collect();
            let says_itself = source.contains("use rex_tests::tree::");
            for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("is_root()")) {
                let asks = line.trim_start().starts_with("if !") && line.ends_with("is_root() {");
                let body = lines.iter().skip(number + 1).take_while(|line| line.trim() != "}");
                let body: String = body.copied().collect();
                let leaves = body.contains("return;") || body.contains("return None;");
                if !asks || !leaves || (says_itself && !line.contains("geteuid")) {
                    continue;
                }
                found += 1;
                let is_said = body.contains("skipped(") || line.contains("tree::is_root()");
                assert!(is_said, "{}:{}: nobody learns that this was left out", path.display(), number + 1);
            }
        }
        assert!(found >= 8, "only {found} places were found");
    }
}

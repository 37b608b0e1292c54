//! Parameters are loaded by sysctl(8), in namespaces of mounts and of the network that only the test has.

use std::fs;
use std::path::Path;

use rex_tests::runs::Run;
use rex_tests::skip::skipped;
use rex_tests::tree::is_root;

use crate::execute;

/// A parameter that each network namespace has for itself.
const PARAMETER: &str = "/proc/sys/net/ipv4/ip_default_ttl";

/// A run in which nothing says how parameters are to be set but this text; nothing where that cannot be had.
fn loading(settings: &str, policy: &str, of: &str) -> Option<Run> {
    if !is_root() {
        return None;
    }
    let needed = ["/usr/sbin/sysctl", "/usr/bin/unshare", "/etc/sysctl.d", PARAMETER];
    if let Some(missing) = needed.into_iter().find(|path| !Path::new(path).exists()) {
        skipped(format!("{missing} is needed: packages procps and util-linux"));
        return None;
    }
    let prepare = format!(
        "set -e\n\
         for d in /etc/sysctl.d /run/sysctl.d /usr/lib/sysctl.d /usr/local/lib/sysctl.d; do\n\
         if [ -d $d ]; then mount -t tmpfs none $d; fi; done\n\
         if [ -e /etc/sysctl.conf ]; then mount --bind /dev/null /etc/sysctl.conf; fi\n\
         printf '{settings}\\n' > /etc/sysctl.d/10-test.conf\n\
         exec \"$@\""
    );
    let run = Run::of(of).policy(policy);
    Some(run.behind(["/usr/bin/unshare", "--mount", "--net", "/bin/sh", "-c", &prepare, "sh"]))
}

fn permitted() -> String {
    format!(
        "{}permit(principal, action == sysctl::Action::\"load\", resource);\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], \
         resource in file_system::Dir::\"/proc/sys/net\");\n",
        execute("/usr/sbin/sysctl")
    )
}

const LOAD_AND_LOOK: &str = r#"SysctlManager().load_system(); sysctl_read("net.ipv4.ip_default_ttl")"#;

#[test]
fn what_the_files_name_is_set_and_told_of() {
    let before = fs::read_to_string(PARAMETER).ok();
    for how in ["confined", "unconfined"] {
        let Some(run) = loading("net.ipv4.ip_default_ttl = 61", &permitted(), LOAD_AND_LOOK) else { return };

        let ended = run.options(["--children", how]).finish();

        assert_eq!(ended.document()["output"], "61", "{how}: {} {}", ended.message(), ended.stderr);
        let records = ended.records();
        let decision = records
            .iter()
            .find(|record| record["operation"] == "load_parameters" && record["context"].is_object())
            .expect("the program is on record");
        assert_eq!(decision["context"]["command_line"], "sysctl --system");
        let expected = if how == "confined" { "host" } else { "unconfined" };
        assert_eq!(decision["act"]["children"], expected);
    }
    assert_eq!(fs::read_to_string(PARAMETER).ok(), before, "nothing was set but in those namespaces");
}

#[test]
fn without_a_permit_nothing_is_set_and_for_rex_none_is_needed_for_the_program() {
    let lacking = permitted().replace(", file_system::Action::\"execute\"", "");
    let Some(run) = loading("net.ipv4.ip_default_ttl = 61", &lacking, LOAD_AND_LOOK) else { return };
    let denied = run.finish();
    let message = denied.message();
    assert!(message.contains("execute") && message.contains("/usr/sbin/sysctl"), "{message}");

    let run =
        loading("net.ipv4.ip_default_ttl = 61", &lacking, LOAD_AND_LOOK).expect("it could be had before");
    let as_rex = run.options(["--rex-compat"]).finish();
    assert_eq!(as_rex.document()["output"], "61", "{} {}", as_rex.message(), as_rex.stderr);

    let forbidden =
        format!("{lacking}forbid(principal, action == file_system::Action::\"execute\", resource);\n");
    let run =
        loading("net.ipv4.ip_default_ttl = 61", &forbidden, LOAD_AND_LOOK).expect("it could be had before");
    let denied = run.options(["--rex-compat"]).finish();
    assert!(denied.message().contains("execute"), "{}", denied.message());
}

#[test]
fn what_the_program_says_of_its_failure_is_told() {
    let Some(run) = loading("net.ipv4.ip_default_ttl = many", &permitted(), "SysctlManager().load_system()")
    else {
        return;
    };

    let message = run.finish().message();

    assert!(message.contains("IoError: sysctl --system failed with exit code "), "{message}");
}

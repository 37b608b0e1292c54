//! What the host and its kernel are called, and how many processors there are.

use rex_ipc::failure::FailureClass;
use rex_ipc::sysinfo::{CountProcessors, HostName, Uname};
use rhai::{INT, NativeCallContext};

use crate::error::Fallible;
use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::session::Session;
use crate::value;

/// The texts of uname(1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnameInfo {
    /// Such as `Linux`.
    pub kernel_name: String,
    /// The name of the host in its network.
    pub nodename: String,
    /// Such as `6.1.0-18-amd64`.
    pub kernel_release: String,
    /// When and how it was built.
    pub kernel_version: String,
    /// Such as `x86_64`.
    pub machine: String,
}

impl UnameInfo {
    /// Asks the broker.
    ///
    /// # Errors
    /// `PermissionDenied`; `Other` for the system's failures.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let names = Session::of(context)
            .ask(value::line(context), Uname {})
            .map_err(|failed| Kind::<SystemInfo>::of(failed, OTHER))?;
        Ok(Self {
            kernel_name: names.kernel_name.into_string(),
            nodename: names.node_name.into_string(),
            kernel_release: names.release.into_string(),
            kernel_version: names.version.into_string(),
            machine: names.machine.into_string(),
        })
    }

    /// All of it in one line, as `uname -a` has it. What uname(1) finds nowhere else is the machine twice more.
    pub fn text(&self) -> String {
        let Self { kernel_name, nodename, kernel_release, kernel_version, machine } = self;
        format!(
            "{kernel_name} {nodename} {kernel_release} {kernel_version} {machine} {machine} {machine} {OPERATING_SYSTEM}"
        )
    }
}

/// The name of the operating system; nothing else runs this program.
pub const OPERATING_SYSTEM: &str = "GNU/Linux";

/// The name of the host.
///
/// # Errors
/// `PermissionDenied`; `Other` for the system's failures.
pub fn host_name(context: &NativeCallContext) -> Fallible<String> {
    let session = Session::of(context);
    match session.ask(value::line(context), HostName {}) {
        Ok(reply) => Ok(reply.name.into_string()),
        Err(failed)
            if session.is_rex_compat() && matches!(failed.failure.class, FailureClass::System { .. }) =>
        {
            Err(Kind::<SystemInfo>::error_from(OTHER, "Could not get hostname".into(), failed.number))
        }
        Err(failed) => Err(Kind::<SystemInfo>::of(failed, OTHER)),
    }
}

/// How many processors are online, whatever the script may use of them.
///
/// # Errors
/// As [`host_name`].
pub fn count_processors(context: &NativeCallContext) -> Fallible<INT> {
    Session::of(context)
        .ask(value::line(context), CountProcessors {})
        .map(|reply| value::integer(reply.count))
        .map_err(|failed| Kind::<SystemInfo>::of(failed, OTHER))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn the_names_are_those_of_uname() {
        for bench in [Bench::new(), Bench::new().like_rex()] {
            assert_eq!(
                bench.output(
                    "let u = uname(); [u.kernel_name, u.nodename, u.kernel_release, u.kernel_version, u.machine, \
                     u.processor, u.hardware_platform, u.operating_system]"
                ),
                r##"["Linux", "tester.example", "6.1.0", "#1 SMP", "x86_64", "x86_64", "x86_64", "GNU/Linux"]"##
            );
            assert_eq!(
                bench.output("SystemInfo().uname_info().to_string()"),
                "Linux tester.example 6.1.0 #1 SMP x86_64 x86_64 x86_64 GNU/Linux"
            );
            assert_eq!(
                bench.output("uname().to_map().keys()"),
                r#"["hardware_platform", "kernel_name", "kernel_release", "kernel_version", "machine", "nodename", "operating_system", "processor"]"#
            );
        }
    }

    #[test]
    fn host_name_and_processors_come_in_both_forms() {
        let bench = Bench::new();

        assert_eq!(
            bench.output("[hostname(), SystemInfo().hostname(), nproc(), SystemInfo().cpu_count()]"),
            r#"["tester.example", "tester.example", 3, 3]"#
        );
        assert_eq!(
            bench.asked().concat(),
            ["host_name", "host_name", "count_processors", "count_processors"]
        );
    }

    #[test]
    fn all_of_them_need_list() {
        let script = r#"
            [|| uname(), || hostname(), || nproc(), || SystemInfo().uname_info(), || SystemInfo().hostname(),
             || SystemInfo().cpu_count()].map(|f| {
                let r = ();
                try { f.call() } catch (e) { r = if type_of(e) == "string" { "text" } else { `${e.source} ${e.kind}` } }
                r
            })
        "#;

        for bench in [Bench::new(), Bench::new().like_rex()] {
            assert_eq!(
                bench.denying("list", "Sysinfo").output(script),
                r#"["text", "text", "text", "SysteminfoErrorKind PermissionDenied", "SysteminfoErrorKind PermissionDenied", "SysteminfoErrorKind PermissionDenied"]"#
            );
        }
    }

    // spec: "failure kind `Other`, `Could not get hostname`."
    #[test]
    fn a_name_that_cannot_be_told_is_rexs_error_for_rex() {
        let bench = || {
            let bench = Bench::new();
            bench.world.borrow_mut().host.nameless = true;
            bench
        };

        assert!(
            bench()
                .like_rex()
                .failure("SystemInfo().hostname()")
                .starts_with("SysteminfoErrorKind: Other: Could not get hostname (line 1")
        );
        assert!(bench().failure("hostname()").contains("No such file or directory (os error 2)"));
    }
}

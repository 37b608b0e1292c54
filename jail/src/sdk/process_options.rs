//! The builders of options for processes, under the names that scripts know.

use rex_ipc::process_system::Signal;
use rhai::{Array, INT, ImmutableString};

use super::kind::{Kind, kind};
use crate::process::options::{
    Builder, KillOptions, LsofOptions, MonitorProcessesCpuOptions, NamespaceOptions, ProcessOptions,
    TraceOptions,
};
use crate::registry::Registrar;

/// Registers every builder.
pub fn register(registrar: &mut Registrar<'_>) {
    register_listing(registrar);
    register_kill(registrar);
    register_lsof(registrar);
    register_monitor(registrar);
    register_namespaces(registrar);
    register_trace(registrar);
}

fn register_listing(registrar: &mut Registrar<'_>) {
    let kind = kind!("ProcessOptions");
    kind.start::<ProcessOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("load_namespace_info", kind.bool, "Tells the pid namespace of each process."),
        |builder: &mut Builder<ProcessOptions>, wanted: bool| builder.0.load_namespace_info = wanted,
    );
    registrar.setter(
        kind.setter("include_threads", kind.bool, "Lists the tasks of each process as well."),
        |builder: &mut Builder<ProcessOptions>, wanted: bool| builder.0.include_threads = wanted,
    );
    kind.plain_build::<ProcessOptions>(registrar);
}

fn register_kill(registrar: &mut Registrar<'_>) {
    type Kill = Builder<KillOptions>;
    let kind = kind!("KillOptions");
    kind.start::<KillOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("pid", kind.number, "Means the process of this number."),
        |builder: &mut Kill, pid: INT| builder.0.pid = Some(pid),
    );
    registrar.setter(
        kind.setter("process_name", kind.text, "Means processes with this in their name."),
        |builder: &mut Kill, name: ImmutableString| builder.0.process_name = Some(name),
    );
    registrar.setter(
        kind.setter("username", kind.text, "Means processes of the user of this name."),
        |builder: &mut Kill, name: ImmutableString| builder.0.username = Some(name),
    );
    registrar.setter(
        kind.setter("exact_match", kind.bool, "Has name and command line match as a whole."),
        |builder: &mut Kill, wanted: bool| builder.0.exact_match = wanted,
    );
    registrar.setter(
        kind.setter("command", kind.text, "Means processes with this in their command line."),
        |builder: &mut Kill, command: ImmutableString| builder.0.command = Some(command),
    );
    registrar.setter(
        kind.setter("signal", "(KillOptionsBuilder, Signal)", "The signal, which has to be set."),
        |builder: &mut Kill, signal: Signal| builder.0.signal = Some(signal),
    );
    registrar.function(kind.build(), Kill::build);
}

fn register_lsof(registrar: &mut Registrar<'_>) {
    type Lsof = Builder<LsofOptions>;
    let kind = kind!("LsofOptions");
    kind.start::<LsofOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("path", kind.text, "Lists what is held open at this path."),
        |builder: &mut Lsof, path: ImmutableString| builder.0.path = Some(path),
    );
    registrar.setter(
        kind.setter("include_subdir", kind.bool, "Lists what is held open below the path as well."),
        |builder: &mut Lsof, wanted: bool| builder.0.include_subdir = wanted,
    );
    registrar
        .fallible_setter(kind.setter("pid", kind.number, "Lists what this process holds open."), Lsof::pid);
    registrar.function(kind.build(), Lsof::build);
}

fn register_monitor(registrar: &mut Registrar<'_>) {
    type Monitor = Builder<MonitorProcessesCpuOptions>;
    let kind = kind!("MonitorProcessesCpuOptions");
    kind.start::<MonitorProcessesCpuOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter(
            "pids_to_monitor",
            "(MonitorProcessesCpuOptionsBuilder, Array)",
            "The numbers of the processes.",
        ),
        |builder: &mut Monitor, pids: Array| builder.pids_to_monitor(pids),
    );
    registrar.fallible_setter(
        kind.setter("batches", kind.number, "How often they are looked at after the first look."),
        Monitor::batches,
    );
    registrar.fallible_setter(
        kind.setter("delay_in_seconds", kind.number, "Seconds between two looks; 0 is a fifth of one."),
        Monitor::delay_in_seconds,
    );
    registrar.setter(
        kind.setter("include_threads", kind.bool, "Watches their tasks as well."),
        |builder: &mut Monitor, wanted: bool| builder.0.include_threads = wanted,
    );
    registrar.function(kind.build(), Monitor::build);
}

fn register_namespaces(registrar: &mut Registrar<'_>) {
    type Namespaces = Builder<NamespaceOptions>;
    let kind = kind!("NamespaceOptions");
    kind.start::<NamespaceOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("mount", kind.bool, "Enters the mount namespace."),
        |builder: &mut Namespaces, wanted: bool| builder.0.mount = wanted,
    );
    registrar.setter(
        kind.setter("net", kind.bool, "Enters the network namespace."),
        |builder: &mut Namespaces, wanted: bool| builder.0.net = wanted,
    );
    registrar
        .fallible_setter(kind.setter("pid", kind.number, "Enters those of this process."), Namespaces::pid);
    registrar.setter(
        kind.setter("net_ns_name", kind.text, "Enters the network namespace of this name."),
        |builder: &mut Namespaces, name: ImmutableString| builder.0.net_ns_name = Some(name),
    );
    kind.plain_build::<NamespaceOptions>(registrar);
}

fn register_trace(registrar: &mut Registrar<'_>) {
    type Trace = Builder<TraceOptions>;
    let kind = kind!("TraceOptions");
    kind.start::<TraceOptions>(registrar, kind.name);
    registrar.fallible_setter(
        kind.setter("ns_pid", kind.number, "The number counts in the pid namespace of this process."),
        Trace::ns_pid,
    );
    registrar.function(kind.build(), Trace::build);
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn what_contradicts_itself_or_lacks_something_is_said_as_text() {
        let cases = [
            ("KillOptions()", "Validation error: signal is required"),
            ("KillOptions().pid(-1)", "Validation error: signal is required"),
            ("KillOptions().signal(Signal::SIGHUP).pid(-1)", "Validation error: PID cannot be negative"),
            (
                "KillOptions().signal(Signal::SIGHUP).pid(-1).username(\"u\")",
                "Validation error: PID cannot be negative",
            ),
            (
                "KillOptions().signal(Signal::SIGHUP)",
                "Validation error: At least one targeting method must be specified: pid, process_name, username, or command",
            ),
            (
                "KillOptions().signal(Signal::SIGHUP).pid(1).process_name(\"n\").command(\"c\")",
                "Validation error: pid cannot be used together with process_name, username, or command",
            ),
            (
                "KillOptions().signal(Signal::SIGHUP).process_name(\"n\").command(\"c\")",
                "Validation error: process_name and command cannot be used together - choose either name-based or \
                 command-based targeting",
            ),
            ("LsofOptions()", "Validation error: Either path or pid is required"),
            ("LsofOptions().include_subdir(true)", "Validation error: Either path or pid is required"),
            ("LsofOptions().path(\"\")", "Validation error: Path cannot be empty"),
            ("LsofOptions().path(\"\").pid(1)", "Validation error: pid and path are mutually exclusive"),
            (
                "MonitorProcessesCpuOptions().pids_to_monitor([])",
                "Validation error: PIDs array cannot be empty",
            ),
            (
                "MonitorProcessesCpuOptions().pids_to_monitor([-1, 4294967296])",
                "Validation error: PIDs array cannot be empty",
            ),
        ];
        for (options, expected) in cases {
            for bench in [Bench::new(), Bench::new().like_rex()] {
                let told =
                    bench.output(&format!("let r = (); try {{ {options}.build() }} catch (e) {{ r = e }} r"));
                assert_eq!(told, expected, "{options}");
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_said_by_its_setter() {
        for (setter, name) in [
            ("LsofOptions().pid(-1)", "pid"),
            ("LsofOptions().pid(4294967296)", "pid"),
            ("NamespaceOptions().pid(-1)", "pid"),
            ("MonitorProcessesCpuOptions().batches(-1)", "batches"),
            ("MonitorProcessesCpuOptions().batches(4294967296)", "batches"),
            ("MonitorProcessesCpuOptions().delay_in_seconds(-1)", "delay_in_seconds"),
        ] {
            let told =
                Bench::new().output(&format!("let r = (); try {{ {setter} }} catch (e) {{ r = e }} r"));
            assert_eq!(
                told,
                format!(
                    "Parameter conversion failed for {name}: out of range integral type conversion attempted"
                )
            );
        }
    }

    #[test]
    fn builders_are_changed_in_place_and_their_types_have_names() {
        let script = r#"
            let b = KillOptions(); b.pid(7); b.signal(Signal::SIGKILL); b.exact_match(true);
            [type_of(b), type_of(b.build()), type_of(ProcessOptions().include_threads(true).load_namespace_info(true).build()),
             type_of(MonitorProcessesCpuOptions().build()), type_of(NamespaceOptions().mount(true).build()), type_of(LsofOptions())]
        "#;

        assert_eq!(
            Bench::new().output(script),
            r#"["KillOptionsBuilder", "KillOptions", "ProcessOptions", "MonitorProcessesCpuOptions", "NamespaceOptions", "LsofOptionsBuilder"]"#
        );
    }
}

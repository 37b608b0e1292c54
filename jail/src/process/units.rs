//! Services: started, stopped, restarted, and what is known of them.

use rex_ipc::bounded::Text;
use rex_ipc::failure::{ErrorKind as Told, FailureClass};
use rex_ipc::limits::MAX_JOB_SECONDS;
use rex_ipc::systemd::{ActOnUnit, JobSeconds, ReloadManager, UnitInterface, UnitName, UnitStatus, UnitVerb};
use rhai::{EvalAltResult, ImmutableString, NativeCallContext};

use super::properties::{self, Property};
use super::service::{ServiceInfo, State};
use super::{ErrorKind, refused};
use crate::error::Fallible;
use crate::session::{Failed, Session};
use crate::value;

/// The manager of services.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemctlManager {
    /// Whether what is asked for is waited for.
    waits: bool,
}

impl SystemctlManager {
    /// A manager that waits for what is asked for, or does not.
    #[must_use]
    pub fn waiting(self, waits: bool) -> Self {
        Self { waits }
    }

    /// Does this to a unit.
    ///
    /// # Policy
    /// `start`, `stop` or `restart` on the unit as named, and as the manager names it.
    ///
    /// # Errors
    /// `PermissionDenied`; `ServiceNotFound` when there is no such unit; `DBusError` when the manager refuses, the bus does not
    /// work, or the unit was waited for and did not get there.
    pub fn act(self, context: &NativeCallContext, unit: &str, verb: UnitVerb) -> Fallible<()> {
        let wait = if self.waits { JobSeconds::new(MAX_JOB_SECONDS) } else { None };
        let request = ActOnUnit { unit: name(unit)?, verb, wait };
        let job = Session::of(context).ask(value::line(context), request).map_err(of_service)?;
        match job.result.as_ref().map(Text::as_str) {
            None | Some("done" | "skipped") => Ok(()),
            Some(result) => Err(ErrorKind::error(
                "DBusError",
                format!("The job for {unit} ended with the result {result}"),
            )),
        }
    }

    /// Has the manager read its unit files again.
    ///
    /// # Policy
    /// `daemon_reload` on the manager.
    ///
    /// # Errors
    /// `PermissionDenied`; `DBusError` when the manager refuses, or the bus does not work.
    pub fn reload(context: &NativeCallContext) -> Fallible<()> {
        Session::of(context).ask(value::line(context), ReloadManager {}).map_err(of_service)
    }

    /// What is known of a unit. A unit that is active and no service has neither main process nor figures; for scripts of Rex
    /// it is an error.
    ///
    /// # Policy
    /// `status` on the unit as named, and as the manager names it.
    ///
    /// # Errors
    /// `PermissionDenied`; `ServiceNotFound` when it cannot be loaded; `DBusError` when the bus does not work, or the manager
    /// answers in an unknown form.
    pub fn status(context: &NativeCallContext, unit: &str) -> Fallible<ServiceInfo> {
        let unit_name = name(unit)?;
        let of_unit = read(context, &unit_name, UnitInterface::Unit, OF_UNIT)?;
        let text = |name: &str| match find(&of_unit, name) {
            Some(Property::Text(text)) => text.into(),
            _ => ImmutableString::new(),
        };
        let active_state = State::of_text(&text("ActiveState"));
        let mut info = ServiceInfo {
            name: unit.into(),
            description: text("Description"),
            load_state: text("LoadState"),
            load_path: text("FragmentPath"),
            unit_file_state: text("UnitFileState"),
            unit_file_preset: text("UnitFilePreset"),
            active_state,
            sub_state: text("SubState"),
            main_pid: None,
            tasks: None,
            memory: None,
            documentation: match find(&of_unit, "Documentation") {
                Some(Property::Texts(texts)) => texts.iter().map(Into::into).collect(),
                _ => Vec::new(),
            },
            need_daemon_reload: find(&of_unit, "NeedDaemonReload") == Some(&Property::Bool(true)),
        };
        let is_service = text("Id").ends_with(".service") || Session::of(context).is_rex_compat();
        if active_state == State::Active && is_service {
            let of_service = read(context, &unit_name, UnitInterface::Service, OF_SERVICE)?;
            let number = |name: &str| match find(&of_service, name) {
                Some(Property::Number(number)) => Some(*number),
                _ => None,
            };
            info.main_pid = number("MainPID").and_then(|pid| u32::try_from(pid).ok());
            info.tasks = number("TasksCurrent");
            info.memory = number("MemoryCurrent");
        }
        Ok(info)
    }
}

const OF_UNIT: &[&str] = &[
    "Id",
    "Description",
    "LoadState",
    "FragmentPath",
    "UnitFileState",
    "UnitFilePreset",
    "ActiveState",
    "SubState",
    "Documentation",
    "NeedDaemonReload",
];
const OF_SERVICE: &[&str] = &["MainPID", "TasksCurrent", "MemoryCurrent"];

fn find<'a>(properties: &'a [(String, Property)], name: &str) -> Option<&'a Property> {
    properties.iter().find(|(found, _)| found == name).map(|(_, property)| property)
}

fn read(
    context: &NativeCallContext,
    unit: &UnitName,
    interface: UnitInterface,
    wanted: &[&str],
) -> Fallible<Vec<(String, Property)>> {
    let session = Session::of(context);
    let mut bytes = Vec::new();
    loop {
        let offset_bytes = u32::try_from(bytes.len()).map_err(|_| strange())?;
        let request = UnitStatus { unit: unit.clone(), interface, offset_bytes };
        let part = session.ask(value::line(context), request).map_err(of_service)?;
        bytes.extend(part.bytes.as_slice());
        if part.end {
            return properties::read(&bytes, wanted).ok_or_else(strange);
        }
        if part.bytes.as_slice().is_empty() {
            return Err(strange());
        }
    }
}

fn name(unit: &str) -> Fallible<UnitName> {
    Text::new(unit).ok_or_else(|| ErrorKind::error("DBusError", "the name of the unit is too long"))
}

fn strange() -> Box<EvalAltResult> {
    ErrorKind::error("DBusError", "D-Bus operation failed: the manager answers in an unknown form")
}

fn of_service(failed: Failed) -> Box<EvalAltResult> {
    let is_missing = failed.failure.class == FailureClass::Invalid && failed.failure.kind == Told::NotFound;
    refused(failed, if is_missing { "ServiceNotFound" } else { "DBusError" }, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::properties::tests::Writer;
    use crate::testing::Bench;

    fn properties(id: &str, active: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text_property("Id", id);
        writer.text_property("Description", "An example");
        writer.text_property("LoadState", "loaded");
        writer.text_property("FragmentPath", "/etc/systemd/system/a.service");
        writer.text_property("UnitFileState", "enabled");
        writer.text_property("UnitFilePreset", "disabled");
        writer.text_property("ActiveState", active);
        writer.text_property("SubState", "running");
        writer.finish()
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        let mut of_service = Writer::default();
        of_service.number_property("MainPID", 12);
        of_service.large_property("TasksCurrent", 3);
        of_service.large_property("MemoryCurrent", u64::MAX);
        let of_service = of_service.finish();
        let mut world = bench.world.borrow_mut();
        let units = &mut world.units.units;
        units.insert("a.service".into(), (properties("a.service", "active"), of_service));
        units.insert("b.service".into(), (properties("b.service", "inactive"), Vec::new()));
        units.insert("t.timer".into(), (properties("t.timer", "active"), Vec::new()));
        units.insert("odd.service".into(), (vec![1, 2, 3], Vec::new()));
        world.units.results.insert("b.service".into(), "failed");
        world.denied.push(("any", "closed.service".into()));
        drop(world);
        bench
    }

    const WHY: &str = "fn why(e) { `${e.source} ${e.kind}: ${e.message}` }\n";

    #[test]
    fn what_is_asked_for_is_done() {
        let bench = bench();

        let script = r#"
            let m = SystemctlManager();
            [m.start("a.service"), m.stop("a.service"), m.restart("a.service"), m.try_restart("a.service"), m.daemon_reload()]
        "#;
        assert_eq!(bench.output(script), "[(), (), (), (), ()]");
        let acts = bench.world.borrow().units.acts.join(", ");
        assert_eq!(acts, "Start a.service, Stop a.service, Restart a.service, TryRestart a.service, Reload");
    }

    #[test]
    fn who_waits_is_told_how_it_ended() {
        let script = r#"
            let m = SystemctlManager().wait(true);
            let r = [m.start("a.service")];
            try { m.start("b.service") } catch (e) { r.push(why(e)) }
            r.push(m.wait(false).start("b.service"));
            r
        "#;

        let output = bench().output(&format!("{WHY}{script}"));

        assert_eq!(
            output,
            r#"[(), "ProcessErrorKind DBusError: The job for b.service ended with the result failed", ()]"#
        );
    }

    #[test]
    fn the_status_of_a_service_is_told() {
        let script = r#"
            let s = SystemctlManager().status("a.service");
            [s.name, s.description, s.load_state, s.load_path, s.unit_file_state, s.unit_file_preset, s.active_state.to_string(),
             s.sub_state, s.main_pid, s.tasks.to_int(), type_of(s.memory), s.need_daemon_reload, s.to_map().memory]
        "#;

        assert_eq!(
            bench().output(script),
            r#"["a.service", "An example", "loaded", "/etc/systemd/system/a.service", "enabled", "disabled", "active", "running", 12, 3, "u64", false, "18446744073709551615"]"#
        );
        let idle = r#"let s = SystemctlManager().status("b.service"); [s.active_state == State::INACTIVE, s.main_pid, s.tasks]"#;
        assert_eq!(bench().output(idle), "[true, (), ()]");
    }

    #[test]
    fn an_active_unit_that_is_no_service_has_a_status_but_in_rex() {
        let script = r#"SystemctlManager().status("t.timer").active_state.is_active"#;

        assert_eq!(bench().output(script), "true");
        assert!(bench().like_rex().failure(script).contains("DBusError"));
    }

    #[test]
    fn what_goes_wrong_has_a_kind() {
        let script = r#"
            let m = SystemctlManager();
            let r = [];
            for unit in ["none.service", "closed.service", "odd.service"] {
                try { m.status(unit) } catch (e) { r.push(why(e)) }
            }
            try { m.start("none.service") } catch (e) { r.push(why(e)) }
            r
        "#;

        let output = bench().output(&format!("{WHY}{script}"));

        assert_eq!(
            output,
            r#"["ProcessErrorKind ServiceNotFound: Unit: none.service", "ProcessErrorKind PermissionDenied: Permission denied", "ProcessErrorKind DBusError: D-Bus operation failed: the manager answers in an unknown form", "ProcessErrorKind ServiceNotFound: Unit: none.service"]"#
        );
    }
}

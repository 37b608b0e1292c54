//! The objects of System V interprocess communication, as the kernel lists them.

use rex_ipc::file_system::{OpenDir, OpenFile, Opened};
use rex_ipc::handle::{DirId, FileId};
use rhai::{EvalAltResult, ImmutableString, Map, NativeCallContext};

use super::ErrorKind;
use crate::error::{Fallible, kind_of, message_of, request_behind};
use crate::file_system::file::FileHandle;
use crate::handle::OpenDirectory;
use crate::session::{Session, Then};
use crate::text::{open_for_reading, open_unlinked};
use crate::value;

/// The three tables, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpcsInfo {
    /// Shared memory.
    pub shared_memory: ImmutableString,
    /// Message queues.
    pub queues: ImmutableString,
    /// Semaphores.
    pub semaphores: ImmutableString,
}

impl IpcsInfo {
    /// Reads the tables.
    ///
    /// # Policy
    /// For `shm`, `sem` and `msg` each `open` on the directory `/proc/sysvipc` and on the file in it; then `read` on each file,
    /// or `redacted_read` where that is denied.
    ///
    /// # Errors
    /// `Other` for what the system refuses, and under `--rex-compat` for denials, too; else `PermissionDenied`; the limit on
    /// strings.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        Self::read_files(context).map_err(|error| of_files(&Session::of(context), error))
    }

    fn read_files(context: &NativeCallContext) -> Fallible<Self> {
        let session = Session::of(context);
        let [memory, semaphores, queues] = TABLES.map(|table| Opening::new(&session, table));
        let batch = Then(Then(memory.requests()?, semaphores.requests()?), queues.requests()?);
        let (((_, of_memory), (_, of_semaphores)), (_, of_queues)) =
            session.perform(value::line(context), &batch)?;
        let memory = memory.adopt(&session, &of_memory);
        let semaphores = semaphores.adopt(&session, &of_semaphores);
        let queues = queues.adopt(&session, &of_queues);
        Ok(Self {
            shared_memory: memory.read(context)?,
            semaphores: semaphores.read(context)?,
            queues: queues.read(context)?,
        })
    }

    /// The tables as a map.
    pub fn to_map(&self) -> Map {
        [("shared_memory", &self.shared_memory), ("queues", &self.queues), ("semaphores", &self.semaphores)]
            .into_iter()
            .map(|(key, text)| (key.into(), text.clone().into()))
            .collect()
    }

    /// The tables under their titles.
    pub fn as_text(&self) -> String {
        let Self { shared_memory, queues, semaphores } = self;
        format!(
            "Shared Memory Segments:\n{shared_memory}\n\nMessage Queues:\n{queues}\n\nSemaphore Arrays:\n{semaphores}"
        )
    }
}

/// A table that is about to be opened.
struct Opening {
    dir: DirId,
    file: FileId,
    table: &'static str,
}

impl Opening {
    fn new(session: &Session, table: &'static str) -> Self {
        Self { dir: session.new_dir(), file: session.new_file(), table }
    }

    fn requests(&self) -> Fallible<(OpenDir, OpenFile)> {
        let open_dir = open_unlinked(self.dir, value::path(DIRECTORY)?);
        Ok((open_dir, open_for_reading(self.file, self.dir, value::spelled(self.table)?)))
    }

    fn adopt(self, session: &Session, opened: &Opened) -> FileHandle {
        // Nothing else is looked up in the directory, so its close may travel with the next frame.
        drop(OpenDirectory::adopt(session, self.dir));
        FileHandle::adopt(session, self.file, &format!("{DIRECTORY}/{}", self.table), opened)
    }
}

/// The error of a file as one about processes, of which Rex does not tell the kind.
fn of_files(session: &Session, error: Box<EvalAltResult>) -> Box<EvalAltResult> {
    let Some(message) = message_of(&error) else { return error };
    let kind = match kind_of(&error).name() {
        kind @ ("PermissionDenied" | "AuthorizationError") if !session.is_rex_compat() => kind,
        _ => "Other",
    };
    match request_behind(&error) {
        Some(request) => ErrorKind::error_from(kind, message, request),
        None => ErrorKind::error(kind, message),
    }
}

/// Where the kernel lists them; see sysvipc(7) and proc_sysvipc(5).
const DIRECTORY: &str = "/proc/sysvipc";

/// In the order in which the policy is asked.
const TABLES: [&str; 3] = ["shm", "sem", "msg"];

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/proc/sysvipc/shm", "key shmid\n 0 1\n")
            .file("/proc/sysvipc/msg", "key msqid\n")
            .file("/proc/sysvipc/sem", "key semid\n")
    }

    const READ: &str = "ProcessManager().ipcs_info()";

    #[test]
    fn the_tables_are_told_as_they_are() {
        let script =
            format!("let i = {READ}; [i.shared_memory, i.queues, i.semaphores, i.to_map(), type_of(i)]");

        let expected = r##"["key shmid\n 0 1\n", "key msqid\n", "key semid\n", #{"queues": "key msqid\n", "semaphores": "key semid\n", "shared_memory": "key shmid\n 0 1\n"}, "rust_safe_process_mgmt::IpcsInfo"]"##;
        assert_eq!(bench().output(&script), expected);
        assert_eq!(bench().like_rex().output(&script), expected);
        assert_eq!(bench().chunks_of(3).output(&script), expected);
    }

    #[test]
    fn the_text_has_all_three_under_their_titles() {
        let text = "Shared Memory Segments:\nkey shmid\n 0 1\n\n\nMessage Queues:\nkey msqid\n\n\nSemaphore Arrays:\nkey semid\n";

        for script in [format!("{READ}.to_string()"), format!("`${{{READ}}}`")] {
            assert_eq!(bench().output(&script), text);
            assert_eq!(bench().like_rex().output(&script), text);
        }
    }

    // "for `shm`, `sem`, `msg` each: `open` Dir, `open` File; then `read` of `shm`, `sem`, `msg`."
    #[test]
    fn all_is_opened_before_anything_is_read() {
        let bench = bench();

        bench.output(READ);

        let asked: Vec<&str> = bench.asked().into_iter().flatten().filter(|name| *name != "close").collect();
        assert_eq!(
            asked,
            [
                "open_dir",
                "open_file",
                "open_dir",
                "open_file",
                "open_dir",
                "open_file",
                "read_chunk",
                "read_chunk",
                "read_chunk"
            ]
        );
        let order = [
            "open /proc/sysvipc",
            "open /proc/sysvipc/shm",
            "open /proc/sysvipc/sem",
            "open /proc/sysvipc/msg",
            "read /proc/sysvipc/shm",
            "read /proc/sysvipc/sem",
            "read /proc/sysvipc/msg",
        ];
        for (index, first) in order.iter().enumerate() {
            // What is denied from here on: the first of it is what is told.
            let denied = order[index..].iter().fold(self::bench(), |bench, question| {
                let (action, path) = question.split_once(' ').unwrap();
                bench.denying(if action == "open" { "open" } else { "read" }, path)
            });
            let failure = denied.failure(READ);
            let (action, path) = first.split_once(' ').unwrap();
            assert!(
                failure.contains(&format!("Action::\"{action}\""))
                    && failure.contains(&format!("::{path} (line")),
                "{first}: {failure}"
            );
        }
    }

    #[test]
    fn a_denial_is_one_and_for_rex_of_the_kind_other() {
        for (action, path) in
            [("open", "/proc/sysvipc"), ("open", "/proc/sysvipc/sem"), ("read", "/proc/sysvipc/msg")]
        {
            let script = format!(
                "let r = (); try {{ {READ} }} catch (e) {{ r = [`${{e.kind}}`, e.source, e.message.starts_with(\"Permission denied: tester unauthorized\")] }} r"
            );

            assert_eq!(
                bench().denying(action, path).output(&script),
                r#"["PermissionDenied", "ProcessErrorKind", true]"#
            );
            assert_eq!(
                bench().denying(action, path).like_rex().output(&script),
                r#"["Other", "ProcessErrorKind", true]"#
            );
            assert!(bench().denying(action, path).run(READ).outcome.ended_by.is_some());
            assert!(bench().denying(action, path).like_rex().run(READ).outcome.ended_by.is_some());
        }
    }

    #[test]
    fn a_kernel_without_the_tables_is_an_error_of_the_system() {
        let told = Bench::new().dir("/proc/sysvipc").failure(READ);

        assert!(
            told.starts_with("ProcessErrorKind: Other: No such file or directory (os error 2)"),
            "{told}"
        );
    }
}

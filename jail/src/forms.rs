//! How the objects of the SDK read as text: what they are, and not under which name Rex has them.

use rhai::{Dynamic, Engine};

use crate::content::elf::ElfInfo;
use crate::content::gzip::GzipInfo;
use crate::datetime::DateTime;
use crate::error::{CommonErrorKind, IoErrorKind};
use crate::file_system::dir::DirHandle;
use crate::file_system::disk_usage::{DiskUsageEntry, DiskUsageResult};
use crate::file_system::entry::DirEntry;
use crate::file_system::file::{FileHandle, Match, WordCount};
use crate::file_system::link::SymlinkHandle;
use crate::file_system::metadata::{Metadata, Ownership, type_name};
use rex_ipc::file_system::EntryType;

/// An object that reads well.
trait Readable: Clone + 'static {
    /// One line without a type name of any program.
    fn text(&self) -> String;
}

/// Implements [`Readable`], and knows every type that does.
macro_rules! readable {
    ($($kind:ty, |$value:ident| $text:expr;)+) => {
        $(impl Readable for $kind {
            fn text(&self) -> String {
                let $value = self;
                $text
            }
        })+

        /// The text of an object; nothing for any other value.
        pub fn text_of(value: &Dynamic) -> Option<String> {
            $(if let Some(object) = value.read_lock::<$kind>() {
                return Some(object.text());
            })+
            None
        }

        /// Has the language use these texts wherever it makes one of a value: in `${…}`, `+`, `to_string`, `debug`, and within
        /// arrays and maps.
        pub fn register(engine: &mut Engine) {
            $(for name in ["to_string", "to_debug"] {
                engine.register_fn(name, |object: &mut $kind| object.text());
            })+
        }
    };
}

readable! {
    DateTime, |date| date.as_text();
    DirEntry, |entry| of_kind(entry.name(), entry.entry_type());
    EntryType, |kind| type_name(*kind).to_owned();
    DirHandle, |dir| of_kind(dir.path(), EntryType::Dir);
    FileHandle, |file| of_kind(file.path(), EntryType::File);
    SymlinkHandle, |link| of_kind(&link.path(), EntryType::Symlink);
    Metadata, |metadata| {
        let modified = DateTime::of_moment(metadata.modified_seconds());
        format!(
            "{}, {}, mode {:04o}, {}, modified {modified}",
            type_name(metadata.entry_type()),
            counted(metadata.file_size(), "byte"),
            metadata.permissions() & MODE_BITS,
            metadata.owner().text(),
        )
    };
    Ownership, |owner| format!("{}:{}", owner.user, owner.group);
    Match, |found| format!("{}: {}", found.line_number, found.line_content);
    WordCount, |count| {
        let (lines, words) = (counted(count.lines, "line"), counted(count.words, "word"));
        format!("{lines}, {words}, {}", counted(count.bytes, "byte"))
    };
    DiskUsageEntry, |entry| {
        let (bytes, inodes) = (counted(entry.size_bytes, "byte"), counted(entry.inode_count, "inode"));
        format!("{}: {bytes}, {inodes}", entry.path)
    };
    DiskUsageResult, |result| match result.denied_count {
        0 => result.total.text(),
        denied => format!("{}, {} not looked at", result.total.text(), counted(denied, "entry")),
    };
    GzipInfo, |info| {
        let whole = counted(info.uncompressed_size_bytes, "byte");
        format!("{} compressed, {whole} uncompressed", counted(info.compressed_size_bytes, "byte"))
    };
    ElfInfo, |info| {
        let bits = if info.is_64bit { "64-bit" } else { "32-bit" };
        let program = info.execfn.iter().map(|path| format!(", core of {path}"));
        let interpreter = info.interpreter.iter().map(|path| format!(", interpreter {path}"));
        format!("{bits} ELF{}", program.chain(interpreter).collect::<String>())
    };
    IoErrorKind, |kind| kind.kind.name().to_owned();
    CommonErrorKind, |kind| kind.name().to_owned();
}

fn of_kind(name: &str, kind: EntryType) -> String {
    format!("{name} ({})", type_name(kind))
}

fn counted(number: rhai::INT, of: &str) -> String {
    match (number, of.strip_suffix('y')) {
        (1, _) => format!("1 {of}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {of}s"),
    }
}

/// The permission bits of a mode, without those of the type.
const MODE_BITS: rhai::INT = 0o7777;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/f", "one two\nthree\n").dir("/d/s").link("/d/l", "f")
    }

    /// Every object that a script can hold as the result of something, and its text.
    const OBJECTS: [(&str, &str); 17] = [
        ("from_epoch_seconds(0)", "1970-01-01T00:00:00Z"),
        ("from_epoch_nanos(1, 500000000)", "1970-01-01T00:00:01.5Z"),
        ("DateTime(2025, 258, 1, 0, 0, 0, 0)", "2025-258-01T00:00:00"),
        ("ls(\"/d\")[\"f\"]", "f (File)"),
        ("ls(\"/d\")[\"s\"]", "s (Dir)"),
        ("ls(\"/d\")[\"l\"]", "l (Symlink)"),
        ("ls(\"/d\")[\"f\"].type()", "File"),
        ("dir()", "/d (Dir)"),
        ("file()", "/d/f (File)"),
        ("dir().open_symlink(\"l\")", "/d/l (Symlink)"),
        ("file().metadata()", "File, 14 bytes, mode 0644, root:root, modified 2009-02-13T23:31:30Z"),
        ("file().get_ownership()", "root:root"),
        ("file().search(\"t.o\")[0]", "1: one two"),
        ("file().counts()", "2 lines, 3 words, 14 bytes"),
        ("file().disk_usage(DiskUsageOptions().apparent_size(true).build())", "/d/f: 14 bytes, 1 inode"),
        ("dir().disk_usage(DiskUsageOptions().apparent_size(true).build())", "/d: 8206 bytes, 3 inodes"),
        ("kind()", "IoError"),
    ];

    const FUNCTIONS: &str = r#"
        fn dir() { DirConfig().path("/d").build().open(OpenDirOptions().build()) }
        fn file() { dir().open_file("f", OpenFileOptions().read(true).build()) }
        fn kind() { let k = (); try { cat("/gone"); } catch (e) { k = e.kind; } k }
    "#;

    #[test]
    fn every_object_reads_well_wherever_it_becomes_text() {
        let mut wrong = Vec::new();
        for (object, text) in OBJECTS {
            for (way, expected) in [
                ("o", text.to_owned()),
                ("[o]", format!("[{text}]")),
                ("#{k: o}", format!("#{{\"k\": {text}}}")),
                ("`${o}`", text.to_owned()),
                ("\"\" + o", text.to_owned()),
                ("o + \"\"", text.to_owned()),
                ("o.to_string()", text.to_owned()),
                ("`${[o]}`", format!("[{text}]")),
                ("`${#{k: o}}`", format!("#{{\"k\": {text}}}")),
                ("[o].to_string()", format!("[{text}]")),
                ("#{k: o}.to_json()", format!("{{\"k\":\"{text}\"}}")),
                ("#{k: [o]}.to_json()", format!("{{\"k\":[\"{text}\"]}}")),
            ] {
                let output = bench().output(&format!("{FUNCTIONS} let o = {object}; {way}"));
                if output != expected {
                    wrong.push(format!("{way} of {object}: {output} and not {expected}"));
                }
            }
            let bench = bench();
            bench.output(&format!("{FUNCTIONS} let o = {object}; debug(o); debug([o]);"));
            if bench.log() != [format!("Debug {text}"), format!("Debug [{text}]")] {
                wrong.push(format!("debug: {:?}", bench.log()));
            }
            let thrown = bench.failure(&format!("{FUNCTIONS} let o = {object}; throw o"));
            if !thrown.starts_with(&format!("Runtime error: {text} (line")) {
                wrong.push(format!("thrown: {thrown}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn for_rex_an_object_is_the_name_of_its_type() {
        let rex = bench().like_rex();

        for (way, expected) in [
            ("now()", "rust_sdk_common_utils::types::datetime::DateTime"),
            ("[now()]", "[rust_sdk_common_utils::types::datetime::DateTime]"),
            ("ls(\"/d\")[\"f\"]", "rust_safe_io::dir_entry::DirEntry"),
            ("#{k: now()}.to_json()", "{\"k\":\"rust_sdk_common_utils::types::datetime::DateTime\"}"),
        ] {
            assert_eq!(rex.output(way), expected, "{way}");
        }
        assert_eq!(bench().output("type_of(now())"), "rust_sdk_common_utils::types::datetime::DateTime");
    }

    /// No type of Rex's is forgotten: whatever has a name with a path in it has a text.
    #[test]
    fn every_type_with_the_name_of_a_rust_type_has_a_text() {
        let sources = [
            include_str!("sdk/content.rs"),
            include_str!("sdk/file_system.rs"),
            include_str!("sdk/file_system_change.rs"),
            include_str!("sdk/command_change.rs"),
            include_str!("datetime.rs"),
        ];
        let own = include_str!("forms.rs");
        let mut found = 0;
        for source in sources {
            for rest in source.split("type_name::<").skip(1) {
                let (kind, name) = rest.split_once(">(\"").unwrap_or(("", ""));
                if name.split('"').next().unwrap_or_default().contains("::") {
                    assert!(own.contains(&format!("\n    {kind}, |")), "{kind}");
                    found += 1;
                }
            }
        }
        assert!(found >= 12, "{found}");
    }
}

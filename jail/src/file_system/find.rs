//! Finding entries below a directory: what is asked on the way, what is passed over, and what is reported.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{self as wire, EntryType};
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};

use super::dir::DirHandle;
use super::entry::DirEntry;
use super::glob::Glob;
use super::options::FindOptions;
use super::passed_over::PassedOver;
use super::walk::{Step, Walk, WalkPlan};
use crate::error::{Fallible, io_error, io_error_from, request_behind, text_of};
use crate::{pattern, value};

/// Gives each entry below a directory that the options let through to a script's function.
///
/// # Errors
/// `ValidationError` for a pattern, `TryFromIntError` for a depth less than 0; a failure to describe an entry, where a
/// filter needs its description; `CallbackError` for whatever the function fails with.
pub fn find(
    context: &NativeCallContext,
    root: &DirHandle,
    options: &FindOptions,
    callback: &FnPtr,
) -> Fallible<()> {
    let pattern = Pattern::new(options)?;
    let min_depth = depth(options.min_depth)?;
    let max_depth = depth(options.max_depth)?.max(1);
    let filters = Filters::new(options)?;
    let plan = WalkPlan { max_depth, describe: filters.are_needed(), follow_links: options.follow_symlinks };
    let passed_over = PassedOver::new(context, None);
    Walk::from_root(context, root, plan, &passed_over)?.run(&mut |step: Step<'_>| {
        let wanted = step.depth >= min_depth
            && pattern.matches(step.entry, step.path)
            && step.metadata.is_none_or(|metadata| filters.let_through(metadata))
            && is_wanted_type(&step, options.entry_type.as_slice());
        if wanted { call(context, callback, step.entry) } else { Ok(()) }
    })
}

/// The glob of `find` and `find_files`.
///
/// # Errors
/// `ValidationError`, `Invalid glob pattern: - <reason>`.
pub fn glob(pattern: &str, ignore_case: bool) -> Fallible<Glob> {
    Glob::parse(pattern, ignore_case).map_err(|reason| {
        io_error(ErrorKind::ValidationError, format!("Validation error: Invalid glob pattern: - {reason}"))
    })
}

/// Whether an entry is of one of these types, of which none means any.
pub fn is_wanted_type(step: &Step<'_>, wanted: &[EntryType]) -> bool {
    let entry_type = step.metadata.map_or(step.entry.entry_type(), |metadata| metadata.entry_type);
    wanted.is_empty() || wanted.contains(&entry_type)
}

fn call(context: &NativeCallContext, callback: &FnPtr, entry: &DirEntry) -> Fallible<()> {
    let outcome = callback.call_within_context::<Dynamic>(context, (entry.clone(),));
    outcome.map(drop).map_err(|error| match *error {
        // The end of the script and its limits pass through, as through any other call.
        EvalAltResult::Exit(..) => error,
        _ if !error.unwrap_inner().is_catchable() => error,
        _ => io_error_from(
            ErrorKind::CallbackError,
            format!("Rhai callback execution failed: {}", text_of(&error)),
            request_behind(&error),
        ),
    })
}

fn depth(number: rhai::INT) -> Fallible<u64> {
    u64::try_from(number).map_err(|_| io_error(ErrorKind::TryFromIntError, value::OUT_OF_RANGE))
}

enum Pattern {
    Any,
    Name { glob: Glob, negated: bool },
    Path(regex::Regex),
}

impl Pattern {
    fn new(options: &FindOptions) -> Fallible<Self> {
        let negated = options.negate_name;
        Ok(match (&options.name, &options.iname, &options.regex) {
            (Some(name), _, _) => Self::Name { glob: glob(name, false)?, negated },
            (None, Some(name), _) => Self::Name { glob: glob(name, true)?, negated },
            (None, None, Some(path)) => Self::Path(pattern::regex(path)?),
            (None, None, None) => Self::Any,
        })
    }

    fn matches(&self, entry: &DirEntry, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name { glob, negated } => glob.matches(entry.name()) != *negated,
            Self::Path(regex) => regex.is_match(path),
        }
    }
}

/// What is asked of the description of an entry. Both times are compared in whole seconds.
struct Filters {
    sizes: Option<super::options::SizeRange>,
    changed: Range,
    modified: Range,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    min: Option<rhai::INT>,
    max: Option<rhai::INT>,
}

impl Range {
    const ALL: Range = Range { min: None, max: None };

    fn contains(self, number: rhai::INT) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }
}

impl Filters {
    fn new(options: &FindOptions) -> Fallible<Self> {
        let seconds = |date: &Option<crate::datetime::DateTime>| {
            date.as_ref().map(|date| date.epoch_seconds()).transpose()
        };
        Ok(Self {
            sizes: options.size_range,
            changed: Range {
                min: seconds(&options.min_creation_time)?,
                max: seconds(&options.max_creation_time)?,
            },
            modified: Range {
                min: seconds(&options.min_modification_time)?,
                max: seconds(&options.max_modification_time)?,
            },
        })
    }

    fn are_needed(&self) -> bool {
        self.sizes.is_some() || self.changed != Range::ALL || self.modified != Range::ALL
    }

    fn let_through(&self, metadata: &wire::Metadata) -> bool {
        self.sizes.is_none_or(|sizes| sizes.contains(value::integer(metadata.size_bytes)))
            && self.changed.contains(metadata.changed.seconds)
            && self.modified.contains(metadata.modified.seconds)
    }
}

/// Whether an entry can be walked into.
pub(super) fn is_directory(entry: &DirEntry) -> bool {
    entry.entry_type() == EntryType::Dir
}

#[cfg(test)]
mod tests {
    use rex_ipc::control::{EngineLimit, ScriptEnd};

    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/t/a.log", "1234")
            .file("/t/B.LOG", "12345678")
            .file("/t/s/c.log", "")
            .file("/t/s/u/d.log", "")
            .link("/t/l", "a.log")
            .link("/t/back", "s")
            .link("/t/gone", "nowhere")
    }

    fn found(bench: &Bench, options: &str) -> String {
        bench.output(&format!(
            r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
               let seen = []; d.find(FindOptions(){options}.build(), |e| seen.push(e.name)); seen"#
        ))
    }

    #[test]
    fn a_closure_sees_every_entry_each_directory_before_what_is_in_it() {
        assert_eq!(
            found(&bench(), ""),
            r#"["B.LOG", "a.log", "back", "gone", "l", "s", "c.log", "u", "d.log"]"#
        );
    }

    #[test]
    fn patterns_select_by_name_and_path() {
        assert_eq!(found(&bench(), r#".name("*.log")"#), r#"["a.log", "c.log", "d.log"]"#);
        assert_eq!(found(&bench(), r#".iname("*.log").max_depth(1)"#), r#"["B.LOG", "a.log"]"#);
        assert_eq!(found(&bench(), r#".name("*.log").negate_name(true).min_depth(2)"#), r#"["u"]"#);
        assert_eq!(found(&bench(), r#".regex("^/t/s/[^/]+$")"#), r#"["c.log", "u"]"#);
    }

    fn paths(bench: &Bench, options: &str) -> String {
        bench.output(&format!(
            r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().follow_symlinks(true).build());
               let seen = []; d.find(FindOptions(){options}.build(), |e| seen.push(e.path)); seen"#
        ))
    }

    #[test]
    fn entries_are_found_by_type_and_know_their_path() {
        let bench = || bench().fifo("/t/p");

        for (kind, expected) in [
            ("FILE", r#"["/t/B.LOG", "/t/a.log", "/t/s/c.log", "/t/s/u/d.log"]"#),
            ("DIR", r#"["/t/s", "/t/s/u"]"#),
            ("SYMLINK", r#"["/t/back", "/t/gone", "/t/l"]"#),
            ("FIFO", r#"["/t/p"]"#),
        ] {
            assert_eq!(paths(&bench(), &format!(".type(EntryType::{kind})")), expected, "{kind}");
        }
        assert_eq!(
            paths(&bench(), r#".type(EntryType::FILE).name("*.log").max_depth(1)"#),
            r#"["/t/a.log"]"#
        );
        assert_eq!(paths(&bench(), r#".type(EntryType::DIR).max_depth(1)"#), r#"["/t/s"]"#);
        let sizes = r#".type(EntryType::DIR).size_range(SizeRange::min_only(0, SizeUnit::BYTES))"#;
        assert_eq!(paths(&bench(), sizes), r#"["/t/s", "/t/s/u"]"#);
        // What is followed is what it leads to, under the path of the link.
        let followed = paths(&bench(), ".follow_symlinks(true).type(EntryType::SYMLINK)");
        assert_eq!(followed, "[]");
    }

    #[test]
    fn where_nothing_is_entered_nothing_is_opened_but_for_rex() {
        let asks = |bench: Bench, options: &str| {
            let found = paths(&bench, options);
            (found, bench.asked().iter().flatten().filter(|name| **name == "open_dir").count())
        };

        assert_eq!(
            asks(bench().denying("open", "/t/s"), ".max_depth(1).name(\"s\")"),
            (r#"["/t/s"]"#.to_owned(), 1)
        );
        assert_eq!(
            asks(bench().denying("open", "/t/s").like_rex(), ".max_depth(1).name(\"s\")"),
            ("[]".to_owned(), 2)
        );
    }

    #[test]
    fn depths_are_counted_from_one_and_zero_is_one() {
        assert_eq!(found(&bench(), ".min_depth(2).max_depth(2)"), r#"["c.log", "u"]"#);
        assert_eq!(found(&bench(), ".max_depth(0)"), r#"["B.LOG", "a.log", "back", "gone", "l", "s"]"#);
        assert!(
            bench()
                .failure(
                    r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                       d.find(FindOptions().min_depth(-1).build(), Fn("metadata"))"#
                )
                .contains("TryFromIntError: out of range integral type conversion attempted")
        );
    }

    #[test]
    fn sizes_and_times_are_asked_of_every_entry() {
        assert_eq!(
            found(&bench(), ".size_range(SizeRange::between(1, 5, SizeUnit::BYTES)).max_depth(1)"),
            r#"["a.log", "back", "l"]"#
        );
        let old = ".max_modification_time(from_epoch_seconds(1234567889)).max_depth(1)";
        assert_eq!(found(&bench(), old), "[]");
        assert_eq!(
            found(&bench(), ".min_creation_time(from_epoch_seconds(1234567890)).name(\"s\")"),
            r#"["s"]"#
        );
        let denied = bench().denying("stat", "/t/B.LOG");
        assert!(
            denied
                .failure(
                    r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                       d.find(FindOptions().name("a.log").size_range(SizeRange::min_only(0, SizeUnit::BYTES)).build(), |e| 1)"#
                )
                .contains("PermissionDenied")
        );
    }

    #[test]
    fn descriptions_come_with_the_listing() {
        let bench = bench();

        found(&bench, ".size_range(SizeRange::min_only(0, SizeUnit::BYTES))");

        assert_eq!(
            bench.asked()[1..],
            [
                vec!["list_details"],
                vec!["open_dir", "list_details", "stat"],
                vec!["open_dir", "list_details", "stat"]
            ]
        );
    }

    #[test]
    fn filters_need_no_names_of_owners() {
        let bench = bench().file("/t/nameless", "1").file("/t/s/nameless", "1");

        assert_eq!(
            found(&bench, ".name(\"name*\").size_range(SizeRange::min_only(1, SizeUnit::BYTES))"),
            r#"["nameless", "nameless"]"#
        );
        assert_eq!(found(&bench, ".name(\"name*\").follow_symlinks(true)"), r#"["nameless", "nameless"]"#);
    }

    #[test]
    fn below_a_followed_link_paths_are_those_it_leads_to() {
        let bench = Bench::new().link("/t/k", "/other").file("/other/in/f", "");

        assert_eq!(found(&bench, r#".follow_symlinks(true).regex("^/other/in/")"#), r#"["f"]"#);
        assert_eq!(found(&bench, r#".follow_symlinks(true).regex("^/t/")"#), r#"["k"]"#);
    }

    #[test]
    fn a_callback_may_list_what_is_being_walked() {
        let mut bench = Bench::new();
        for number in 100..400 {
            bench = bench.file(&format!("/t/f{number}"), "").file(&format!("/t/s/g{number}"), "");
        }
        let script = |body: &str| {
            format!(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   let same = d; let n = 0; let lists = 0;
                   d.find(FindOptions().build(), |e| {{ n += 1; {body} }}); [n, lists]"#
            )
        };

        let in_root = r#"if e.name == "f150" || e.name == "f250" { lists += same.list_entries().len(); }"#;
        assert_eq!(bench.output(&script(in_root)), "[601, 602]");
        let in_entry =
            r#"if e.name == "s" { lists += e.open_as_dir(OpenDirOptions().build()).list_entries().len(); }"#;
        assert_eq!(bench.output(&script(in_entry)), "[601, 300]");
        let find = r#"if e.name == "f150" { same.find(FindOptions().max_depth(1).build(), Fn("metadata")); lists += 1 }"#;
        assert_eq!(bench.output(&script(find)), "[601, 1]");
    }

    #[test]
    fn what_was_passed_over_is_counted_until_the_next_walk() {
        let count = |bench: Bench, options: &str| {
            bench.output(&format!(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   d.find(FindOptions(){options}.build(), |e| 0); passed_over()"#
            ))
        };

        assert_eq!(count(bench(), ""), "0");
        assert_eq!(count(bench().denying("open", "/t/s"), ""), "1");
        assert_eq!(count(bench().denying("read", "/t/s").denying("open", "/t/s/u"), ""), "1");
        assert_eq!(count(bench().denying("read", "/t"), ""), "1");
        assert_eq!(count(bench(), ".follow_symlinks(true)"), "1");
        assert_eq!(
            bench().denying("open", "/t/s").output(
                r#"find_files([glob::r], "*", "/t"); let n = passed_over(); find_files("*", "/t/s/u"); [n, passed_over()]"#
            ),
            "[1, 0]"
        );
    }

    #[test]
    fn what_may_not_be_opened_or_read_is_passed_over() {
        assert_eq!(found(&bench().denying("open", "/t/s"), r#".name("[sc]*")"#), "[]");
        assert_eq!(found(&bench().denying("read", "/t/s"), r#".name("[sc]*")"#), r#"["s"]"#);
        assert_eq!(found(&bench().denying("read", "/t"), ""), "[]");
    }

    #[test]
    fn followed_links_lead_once_to_each_object() {
        assert_eq!(
            found(&bench(), ".follow_symlinks(true)"),
            r#"["B.LOG", "a.log", "back", "c.log", "u", "d.log"]"#
        );
    }

    #[test]
    fn entries_can_be_used_in_the_callback() {
        let script = r#"
            let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
            let total = 0;
            d.find(FindOptions().iname("*.log").build(), |e| {
                total += e.open_as_file(OpenFileOptions().read(true).build()).read().len();
            });
            d.find(FindOptions().name("s").build(), |e| total += e.open_as_dir(OpenDirOptions().build()).list_entries().len() * 100);
            total
        "#;

        assert_eq!(bench().output(script), "212");
    }

    #[test]
    fn named_functions_work_too() {
        let script = r#"
            fn check(entry) { if entry.name == "a.log" { throw "found it" } }
            let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
            d.find(FindOptions().max_depth(1).build(), Fn("metadata"));
            d.find(FindOptions().build(), Fn("check"))
        "#;

        let message = bench().failure(script);

        assert!(
            message.starts_with(
                "IoErrorKind: CallbackError: Rhai callback execution failed: Runtime error: found it"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_denial_in_the_callback_is_still_what_ended_the_script() {
        let script = r#"
            let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
            d.find(FindOptions().name("a.log").build(), |e| cat("/t/a.log"))
        "#;

        let ended = bench().denying("read", "/t/a.log").run(script);

        assert!(ended.text.contains("CallbackError"), "{}", ended.text);
        assert!(ended.outcome.ended_by.is_some());
    }

    #[test]
    fn limits_and_the_end_of_the_script_pass_through_the_callback() {
        let bench = bench();
        let script = |body: &str| {
            format!(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   try {{ d.find(FindOptions().build(), |e| {{ {body} }}) }} catch (e) {{ }} 5"#
            )
        };

        assert_eq!(bench.run(&script("loop {}")).outcome.end, ScriptEnd::Limit(EngineLimit::Operations));
        assert_eq!(bench.output(&script("exit(7)")), "7");
    }
}

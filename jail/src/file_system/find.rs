//! Finding entries below a directory: what is asked on the way, what is passed over, and what is reported.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::EntryType;
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};

use super::dir::DirHandle;
use super::entry::DirEntry;
use super::glob::Glob;
use super::metadata::Metadata;
use super::options::FindOptions;
use super::walk::{Step, Walk, WalkPlan};
use crate::error::{Fallible, io_error, io_error_from, request_behind};
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
    Walk::from_root(context, root, plan)?.run(&mut |step: Step<'_>| {
        let wanted = step.depth >= min_depth
            && pattern.matches(step.entry, step.path)
            && step.metadata.is_none_or(|metadata| filters.let_through(metadata));
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

fn call(context: &NativeCallContext, callback: &FnPtr, entry: &DirEntry) -> Fallible<()> {
    let outcome = callback.call_within_context::<Dynamic>(context, (entry.clone(),));
    outcome.map(drop).map_err(|error| match *error {
        // The end of the script and its limits pass through, as through any other call.
        EvalAltResult::Exit(..) => error,
        _ if !error.unwrap_inner().is_catchable() => error,
        _ => io_error_from(
            ErrorKind::CallbackError,
            format!("Rhai callback execution failed: {error}"),
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
        let seconds = |date: &Option<crate::sdk::datetime::DateTime>| {
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

    fn let_through(&self, metadata: &Metadata) -> bool {
        self.sizes.is_none_or(|sizes| sizes.contains(metadata.file_size()))
            && self.changed.contains(metadata.changed_seconds())
            && self.modified.contains(metadata.modified_seconds())
    }
}

/// Whether an entry can be walked into.
pub(super) fn is_directory(entry: &DirEntry) -> bool {
    entry.entry_type() == EntryType::Dir
}

//! The options of opening, reading and finding, and what is wrong with some of their combinations.

use rex_ipc::file_system::{CreateDir, EntryType, Permissions};
use rhai::{INT, ImmutableString};

use crate::datetime::DateTime;
use crate::error::{Fallible, text_error};
use crate::value::setter_number;

/// Options that are still being set; a type of its own, because functions take only what was built.
#[derive(Clone, Debug, Default)]
pub struct Builder<T>(pub T);

/// Where a directory is.
#[derive(Clone, Debug, Default)]
pub struct DirConfig {
    /// The path, which must be set.
    pub path: Option<ImmutableString>,
}

impl Builder<DirConfig> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when the path was not set.
    pub fn build(&mut self) -> Fallible<DirConfig> {
        match self.0.path {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("Invalid arguments: Field not initialized: path")),
        }
    }
}

/// How a directory is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenDirOptions {
    /// Make it when it is missing.
    pub create: bool,
    /// Make what leads to it, too.
    pub recursive: bool,
    /// Follow links on the way and at the end.
    pub follow_symlinks: bool,
}

impl OpenDirOptions {
    /// What is to be made. With links followed nothing is, but the question is asked.
    pub fn creation(&self) -> CreateDir {
        match (self.create, self.follow_symlinks, self.recursive) {
            (false, _, _) => CreateDir::No,
            (true, true, _) => CreateDir::AskOnly,
            (true, false, false) => CreateDir::Leaf,
            (true, false, true) => CreateDir::All,
        }
    }
}

/// How a file is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenFileOptions {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Make it when it is missing.
    pub create: bool,
    /// Mode of a new file; only the permission bits count.
    pub permissions: Option<INT>,
    /// Follow a link at this name.
    pub follow_symlinks: bool,
}

impl OpenFileOptions {
    /// For reading, and nothing else.
    pub fn for_reading() -> Self {
        Self { read: true, ..Self::default() }
    }

    /// The permission bits for the wire.
    pub fn mode(&self) -> Option<Permissions> {
        self.permissions.and_then(|mode| Permissions::new(u16::try_from(mode & 0o777).ok()?))
    }
}

/// Which lines are read.
#[derive(Clone, Debug, Default)]
pub struct ReadLinesOptions {
    /// How many; less than 0 counts from the end.
    pub count: Option<INT>,
    /// From which line on, from 1.
    pub start: Option<u64>,
}

impl Builder<ReadLinesOptions> {
    /// Sets the first line.
    ///
    /// # Errors
    /// A text, for a number less than 0.
    pub fn start(&mut self, line: INT) -> Fallible<()> {
        self.0.start = Some(setter_number("start", line)?);
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, for line 0.
    pub fn build(&mut self) -> Fallible<ReadLinesOptions> {
        match self.0.start {
            Some(0) => Err(text_error(LINE_ZERO)),
            _ => Ok(self.0.clone()),
        }
    }
}

/// What is said of line 0.
pub const LINE_ZERO: &str =
    "Invalid line to start reading from: must be a positive integer greater than 1 (>= 1): 0";

/// How much of a file is read in one go.
#[derive(Clone, Debug, Default)]
pub struct ReadPageOptions {
    /// Lines of a page, which must be set.
    pub num_lines: Option<u64>,
}

impl Builder<ReadPageOptions> {
    /// Sets the number of lines.
    ///
    /// # Errors
    /// A text, for a number less than 0.
    pub fn num_lines(&mut self, lines: INT) -> Fallible<()> {
        self.0.num_lines = Some(setter_number("num_lines", lines)?);
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, when the number is 0 or was not set.
    pub fn build(&mut self) -> Fallible<ReadPageOptions> {
        match self.0.num_lines {
            None => Err(text_error("Invalid arguments: Field not initialized: num_lines")),
            Some(0) => Err(text_error(
                "Read page options require the num_lines option to be set and greater than zero: 0",
            )),
            Some(_) => Ok(self.0.clone()),
        }
    }
}

/// How text is replaced.
#[derive(Clone, Debug, Default)]
pub struct ReplacementOptions {
    /// The old text is a regular expression.
    pub is_regex: bool,
    /// Every occurrence, and not only the first.
    pub replace_all: bool,
}

/// What is looked for, and where.
#[derive(Clone, Debug)]
pub struct FindOptions {
    /// A glob for the name.
    pub name: Option<ImmutableString>,
    /// A glob for the name, in either letter case.
    pub iname: Option<ImmutableString>,
    /// A regular expression for the path.
    pub regex: Option<ImmutableString>,
    /// Names that do not match the glob.
    pub negate_name: bool,
    /// What an entry has to be.
    pub entry_type: Option<EntryType>,
    /// Sizes in bytes.
    pub size_range: Option<SizeRange>,
    /// Least depth; direct children have depth 1.
    pub min_depth: INT,
    /// Greatest depth.
    pub max_depth: INT,
    /// Latest change of the inode.
    pub max_creation_time: Option<DateTime>,
    /// Earliest change of the inode.
    pub min_creation_time: Option<DateTime>,
    /// Latest modification.
    pub max_modification_time: Option<DateTime>,
    /// Earliest modification.
    pub min_modification_time: Option<DateTime>,
    /// Follow links.
    pub follow_symlinks: bool,
}

impl Default for FindOptions {
    fn default() -> Self {
        Self {
            name: None,
            iname: None,
            regex: None,
            negate_name: false,
            entry_type: None,
            size_range: None,
            min_depth: 0,
            max_depth: INT::MAX,
            max_creation_time: None,
            min_creation_time: None,
            max_modification_time: None,
            min_modification_time: None,
            follow_symlinks: false,
        }
    }
}

impl Builder<FindOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, for filters that exclude each other and for sizes less than 0.
    pub fn build(&mut self) -> Fallible<FindOptions> {
        let options = &self.0;
        let patterns = [&options.name, &options.iname, &options.regex].into_iter().flatten().count();
        if patterns > 1 {
            return Err(text_error(
                "Validation error: Only one of 'name', 'iname', or 'regex' can be specified",
            ));
        }
        if options.negate_name && options.name.is_none() && options.iname.is_none() {
            return Err(text_error(
                "Validation error: negate_name can only be used with 'name' or 'iname' patterns",
            ));
        }
        if let Some(range) = &options.size_range {
            if range.min_bytes.is_some_and(|size| size < 0) {
                return Err(text_error("Validation error: Size range minimum must be non-negative"));
            }
            if range.max_bytes.is_some_and(|size| size < 0) {
                return Err(text_error("Validation error: Size range maximum must be non-negative"));
            }
        }
        Ok(options.clone())
    }
}

/// A unit for sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeUnit {
    /// Bytes in one.
    pub bytes: INT,
}

/// Sizes in bytes, from and to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeRange {
    /// Least size.
    pub min_bytes: Option<INT>,
    /// Greatest size.
    pub max_bytes: Option<INT>,
}

impl SizeUnit {
    /// Every unit by its name in the script.
    pub const ALL: [(&'static str, INT); 7] = [
        ("BYTES", 1),
        ("KILOBYTES", 1_000),
        ("KIBIBYTES", 1 << 10),
        ("MEGABYTES", 1_000_000),
        ("MEBIBYTES", 1 << 20),
        ("GIGABYTES", 1_000_000_000),
        ("GIBIBYTES", 1 << 30),
    ];

    /// The name in the script.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, bytes)| *bytes == self.bytes).map_or("SizeUnit", |(name, _)| name)
    }
}

impl SizeRange {
    /// A range from numbers of a unit. What is too large for a script integer is as large as one can be.
    pub fn new(min: Option<INT>, max: Option<INT>, unit: SizeUnit) -> Self {
        let bytes = |count: INT| count.saturating_mul(unit.bytes);
        Self { min_bytes: min.map(bytes), max_bytes: max.map(bytes) }
    }

    /// Whether a size lies in it, bounds included.
    pub fn contains(&self, bytes: INT) -> bool {
        self.min_bytes.is_none_or(|min| bytes >= min) && self.max_bytes.is_none_or(|max| bytes <= max)
    }
}

//! The builders of options, under the names that scripts know.

use rex_ipc::file_system::EntryType;
use rhai::{Dynamic, INT, ImmutableString};

use super::kind::{Kind, kind};
use crate::datetime::DateTime;
use crate::error::Fallible;
use crate::file_system::options::{
    Builder, DirConfig, FindOptions, OpenDirOptions, OpenFileOptions, ReadLinesOptions, ReadPageOptions,
    ReplacementOptions, SizeRange, SizeUnit,
};
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers every builder, and the sizes that one of them takes.
pub fn register(registrar: &mut Registrar<'_>) {
    register_dir(registrar);
    register_open_file(registrar);
    register_reading(registrar);
    register_replacement(registrar);
    register_find(registrar);
    register_sizes(registrar);
}

fn register_dir(registrar: &mut Registrar<'_>) {
    let kind = kind!("DirConfig");
    kind.start::<DirConfig>(registrar, "rust_safe_io::dir::open_dir::DirConfig");
    registrar.setter(
        kind.setter("path", kind.text, "The absolute path of a directory."),
        |builder: &mut Builder<DirConfig>, path: ImmutableString| builder.0.path = Some(path),
    );
    registrar.function(kind.build(), Builder::<DirConfig>::build);

    let kind = kind!("OpenDirOptions");
    kind.start::<OpenDirOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("create", kind.bool, "Makes the directory."),
        |builder: &mut Builder<OpenDirOptions>, wanted: bool| builder.0.create = wanted,
    );
    registrar.setter(
        kind.setter("recursive", kind.bool, "Makes what leads to it, too."),
        |builder: &mut Builder<OpenDirOptions>, wanted: bool| builder.0.recursive = wanted,
    );
    registrar.setter(
        kind.setter("follow_symlinks", kind.bool, "Follows links anywhere in the path."),
        |builder: &mut Builder<OpenDirOptions>, wanted: bool| builder.0.follow_symlinks = wanted,
    );
    kind.plain_build::<OpenDirOptions>(registrar);
}

fn register_open_file(registrar: &mut Registrar<'_>) {
    let kind = kind!("OpenFileOptions");
    kind.start::<OpenFileOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("read", kind.bool, "Opens for reading."),
        |builder: &mut Builder<OpenFileOptions>, wanted: bool| builder.0.read = wanted,
    );
    registrar.setter(
        kind.setter("write", kind.bool, "Opens for writing."),
        |builder: &mut Builder<OpenFileOptions>, wanted: bool| builder.0.write = wanted,
    );
    registrar.setter(
        kind.setter("create", kind.bool, "Makes the file when it is missing, and opens for writing."),
        |builder: &mut Builder<OpenFileOptions>, wanted: bool| {
            builder.0.create = wanted;
            builder.0.write |= wanted;
        },
    );
    registrar.setter(
        kind.setter("permissions", kind.number, "The permission bits of a new file."),
        |builder: &mut Builder<OpenFileOptions>, mode: INT| builder.0.permissions = Some(mode),
    );
    registrar.setter(
        kind.setter("follow_symlinks", kind.bool, "Follows a link at this name."),
        |builder: &mut Builder<OpenFileOptions>, wanted: bool| builder.0.follow_symlinks = wanted,
    );
    kind.plain_build::<OpenFileOptions>(registrar);
}

fn register_reading(registrar: &mut Registrar<'_>) {
    let kind = kind!("ReadLinesOptions");
    kind.start::<ReadLinesOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("count", kind.number, "So many lines; less than 0 counts from the end."),
        |builder: &mut Builder<ReadLinesOptions>, count: INT| builder.0.count = Some(count),
    );
    registrar.fallible_setter(
        kind.setter("start", kind.number, "From this line on, counted from 1."),
        Builder::<ReadLinesOptions>::start,
    );
    registrar.function(kind.build(), Builder::<ReadLinesOptions>::build);

    let kind = kind!("ReadPageOptions");
    kind.start::<ReadPageOptions>(registrar, kind.name);
    registrar.fallible_setter(
        kind.setter("num_lines", kind.number, "The lines of a page."),
        Builder::<ReadPageOptions>::num_lines,
    );
    registrar.function(kind.build(), Builder::<ReadPageOptions>::build);
}

fn register_replacement(registrar: &mut Registrar<'_>) {
    let kind = kind!("ReplacementOptions");
    kind.start::<ReplacementOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("is_regex", kind.bool, "Takes the old text as a regular expression."),
        |builder: &mut Builder<ReplacementOptions>, wanted: bool| builder.0.is_regex = wanted,
    );
    registrar.setter(
        kind.setter("replace_all", kind.bool, "Replaces every occurrence."),
        |builder: &mut Builder<ReplacementOptions>, wanted: bool| builder.0.replace_all = wanted,
    );
    kind.plain_build::<ReplacementOptions>(registrar);
}

fn register_find(registrar: &mut Registrar<'_>) {
    type Find = Builder<FindOptions>;
    let kind = kind!("FindOptions");
    kind.start::<FindOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("name", kind.text, "A pattern for the name."),
        |builder: &mut Find, text: ImmutableString| builder.0.name = Some(text),
    );
    registrar.setter(
        kind.setter("iname", kind.text, "A pattern for the name, in either letter case."),
        |builder: &mut Find, text: ImmutableString| builder.0.iname = Some(text),
    );
    registrar.setter(
        kind.setter("regex", kind.text, "A regular expression for the path."),
        |builder: &mut Find, text: ImmutableString| builder.0.regex = Some(text),
    );
    registrar.setter(
        kind.setter("negate_name", kind.bool, "Finds the names that do not match."),
        |builder: &mut Find, wanted: bool| builder.0.negate_name = wanted,
    );
    registrar.setter(
        kind.setter("type", "(FindOptionsBuilder, EntryType)", "Finds what is of this type."),
        |builder: &mut Find, wanted: EntryType| builder.0.entry_type = Some(wanted),
    );
    registrar.setter(
        kind.setter("size_range", "(FindOptionsBuilder, SizeRange)", "Finds sizes within a range."),
        |builder: &mut Find, range: SizeRange| builder.0.size_range = Some(range),
    );
    registrar.setter(
        kind.setter("min_depth", kind.number, "Finds nothing above this depth."),
        |builder: &mut Find, depth: INT| builder.0.min_depth = depth,
    );
    registrar.setter(
        kind.setter("max_depth", kind.number, "Finds nothing below this depth."),
        |builder: &mut Find, depth: INT| builder.0.max_depth = depth,
    );
    registrar.setter(
        kind.setter("max_creation_time", kind.date, "Finds what was changed until then."),
        |builder: &mut Find, date: DateTime| builder.0.max_creation_time = Some(date),
    );
    registrar.setter(
        kind.setter("min_creation_time", kind.date, "Finds what was changed since then."),
        |builder: &mut Find, date: DateTime| builder.0.min_creation_time = Some(date),
    );
    registrar.setter(
        kind.setter("max_modification_time", kind.date, "Finds what was modified until then."),
        |builder: &mut Find, date: DateTime| builder.0.max_modification_time = Some(date),
    );
    registrar.setter(
        kind.setter("min_modification_time", kind.date, "Finds what was modified since then."),
        |builder: &mut Find, date: DateTime| builder.0.min_modification_time = Some(date),
    );
    registrar.setter(
        kind.setter("follow_symlinks", kind.bool, "Follows links."),
        |builder: &mut Find, wanted: bool| builder.0.follow_symlinks = wanted,
    );
    registrar.function(kind.build(), Find::build);
}

fn register_sizes(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SizeUnit>("SizeUnit");
    registrar.type_name::<SizeRange>("SizeRange");
    for (name, bytes) in SizeUnit::ALL {
        let entry = Entry {
            module: "SizeUnit",
            name,
            signature: "constant",
            returns: "SizeUnit",
            actions: NOTHING,
            doc: "A unit for sizes.",
        };
        registrar.constant(entry, Dynamic::from(SizeUnit { bytes }));
    }
    let entry = |name, signature, doc| Entry {
        module: "SizeRange",
        name,
        signature,
        returns: "SizeRange",
        actions: NOTHING,
        doc,
    };
    registrar.module_function(
        entry("min_only", "(min: i64, SizeUnit)", "Sizes from this one on."),
        |min: INT, unit: SizeUnit| -> Fallible<SizeRange> { Ok(SizeRange::new(Some(min), None, unit)) },
    );
    registrar.module_function(
        entry("max_only", "(max: i64, SizeUnit)", "Sizes up to this one."),
        |max: INT, unit: SizeUnit| -> Fallible<SizeRange> { Ok(SizeRange::new(None, Some(max), unit)) },
    );
    registrar.module_function(
        entry("between", "(min: i64, max: i64, SizeUnit)", "Sizes from one to another, both included."),
        |min: INT, max: INT, unit: SizeUnit| -> Fallible<SizeRange> {
            Ok(SizeRange::new(Some(min), Some(max), unit))
        },
    );
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn setters_change_the_builder_and_give_it_and_the_last_one_counts() {
        let bench = Bench::new().file("/d/f", "");

        assert_eq!(
            bench.output(
                r#"let b = DirConfig(); b.path("/nope"); b.path("/d");
                   let o = OpenDirOptions(); o.follow_symlinks(true);
                   [b.build().open(o.build()).list_entries().keys(),
                    DirConfig().path("/x").path("/d").build().open(OpenDirOptions().build()).list_entries().len()]"#
            ),
            r#"[["f"], 1]"#
        );
    }

    #[test]
    fn what_must_be_set_or_cannot_be_is_said_as_text() {
        let script = r#"
            let r = [];
            try { DirConfig().build() } catch (e) { r.push(e) }
            try { ReadLinesOptions().start(-1) } catch (e) { r.push(e) }
            try { ReadLinesOptions().start(0).build() } catch (e) { r.push(e) }
            for n in [0, -3] { try { ReadPageOptions().num_lines(n).build() } catch (e) { r.push(e) } }
            try { ReadPageOptions().build() } catch (e) { r.push(e) }
            r
        "#;

        assert_eq!(
            Bench::new().output(script),
            "[\"Invalid arguments: Field not initialized: path\", \
             \"Parameter conversion failed for start: out of range integral type conversion attempted\", \
             \"Invalid line to start reading from: must be a positive integer greater than 1 (>= 1): 0\", \
             \"Read page options require the num_lines option to be set and greater than zero: 0\", \
             \"Parameter conversion failed for num_lines: out of range integral type conversion attempted\", \
             \"Invalid arguments: Field not initialized: num_lines\"]"
        );
    }

    #[test]
    fn filters_of_find_that_exclude_each_other_are_refused() {
        let script = r#"
            let r = [];
            try { FindOptions().name("a").iname("b").build() } catch (e) { r.push(e) }
            try { FindOptions().regex("a").negate_name(true).build() } catch (e) { r.push(e) }
            try { FindOptions().size_range(SizeRange::min_only(-1, SizeUnit::BYTES)).build() } catch (e) { r.push(e) }
            try { FindOptions().size_range(SizeRange::max_only(-1, SizeUnit::KIBIBYTES)).build() } catch (e) { r.push(e) }
            r
        "#;

        assert_eq!(
            Bench::new().output(script),
            "[\"Validation error: Only one of 'name', 'iname', or 'regex' can be specified\", \
             \"Validation error: negate_name can only be used with 'name' or 'iname' patterns\", \
             \"Validation error: Size range minimum must be non-negative\", \
             \"Validation error: Size range maximum must be non-negative\"]"
        );
    }

    #[test]
    fn only_finished_options_are_accepted() {
        assert!(
            Bench::new()
                .failure(r#"DirConfig().path("/").open(OpenDirOptions().build())"#)
                .starts_with("Function not found: open (DirConfigBuilder, OpenDirOptions)")
        );
    }
}

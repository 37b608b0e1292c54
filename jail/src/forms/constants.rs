//! Every constant reads as its name, and what is set in options can be seen.

use std::collections::BTreeSet;

use crate::testing::Bench;

/// Letters and digits alone: `SYN_SENT` and `SynSent` are one name.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

#[test]
fn every_constant_reads_as_a_name_of_its_own() {
    let bench = Bench::new();
    let constants: Vec<_> =
        bench.entries().into_iter().filter(|entry| entry.signature == "constant").collect();

    let mut wrong = Vec::new();
    for entry in &constants {
        let output = bench.output(&format!("`${{{}::{}}}`", entry.module, entry.name));
        // Flags have a second, short name; the longest of a value's names is told.
        let is_flag = entry.module.starts_with(|first: char| first.is_ascii_lowercase());
        let names = constants.iter().filter(|other| other.module == entry.module);
        let is_of_module = names.clone().any(|other| other.name == output);
        if !(bare(&output) == bare(entry.name) || is_flag && entry.name.len() < output.len() && is_of_module)
        {
            wrong.push(format!("{}::{} reads {output}", entry.module, entry.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let modules: BTreeSet<_> = constants.iter().map(|entry| entry.module).collect();
    assert!(modules.len() > 25, "{modules:?}");
}

#[test]
fn flags_with_a_value_read_as_they_are_written() {
    let bench = Bench::new();

    for flag in [
        "tail::n(-3)",
        "tail::from(4)",
        "tail::range(1, 2)",
        "grep::max_count(2)",
        "seq::step(5)",
        "du::max_depth(1)",
    ] {
        let (_, name) = flag.split_once("::").unwrap();
        assert_eq!(bench.output(flag), name);
        assert_eq!(bench.output(&format!("[{flag}]")), format!("[{name}]"));
    }
    for (short, long) in
        [("cat::n", "number"), ("du::d(2)", "max_depth(2)"), ("glob::f", "file"), ("ls::R", "recursive")]
    {
        assert_eq!(bench.output(short), long);
    }
}

#[test]
fn options_read_as_their_short_name_and_a_directory_with_its_path() {
    let bench = Bench::new();

    for (script, text) in [
        ("DirConfig()", "DirConfigBuilder"),
        (r#"DirConfig().path("/d")"#, "DirConfigBuilder of /d"),
        (r#"DirConfig().path("/d").build()"#, "DirConfig of /d"),
        (r#"[DirConfig().path("/d").build()]"#, "[DirConfig of /d]"),
        ("SizeRange::between(1, 2, SizeUnit::KIBIBYTES)", "sizes from 1024 bytes to 2048 bytes"),
        ("SizeRange::max_only(1, SizeUnit::BYTES)", "sizes to 1 byte"),
        ("OpenDirOptions().build()", "OpenDirOptions"),
        ("FindOptions()", "FindOptionsBuilder"),
    ] {
        assert_eq!(bench.output(script), text, "{script}");
    }
}

// What scripts written for Rex read, they read here.
#[test]
fn for_rex_constants_and_options_are_the_names_of_their_types() {
    let rex = Bench::new().like_rex();

    for (script, text) in [
        ("SizeUnit::BYTES", "SizeUnit"),
        ("MetricUnitType::COUNT", "MetricUnitType"),
        ("TransportProtocol::TCP", "TransportProtocol"),
        ("DateTimeFormat::RFC3339", "DateTimeFormat"),
        ("cat::n", "CatFlag"),
        (r#"DirConfig().path("/d").build()"#, "rust_safe_io::dir::open_dir::DirConfig"),
    ] {
        assert_eq!(rex.output(script), text, "{script}");
        assert_eq!(rex.output(&format!("[{script}]")), format!("[{text}]"), "{script}");
    }
}

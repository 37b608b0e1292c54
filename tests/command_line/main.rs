//! The program as its callers see it: words in, documents, records and exit status out.

mod abuse;
mod archives;
mod blocked;
mod ceiling;
mod classes;
mod completions;
mod configured;
mod contract;
mod crowds;
mod documents;
mod ends;
mod exit_status;
mod golden;
mod hostile_servers;
mod inherited;
mod inputs;
mod limits;
mod limits_page;
mod little;
mod manual;
mod many;
mod mounts;
mod names;
mod namespaces;
mod own_files;
mod people;
mod policies;
mod protection_page;
mod recording;
mod round_trips;
mod scripts;
mod secure;
mod self_named;
mod signals;
mod transcripts;
mod usage;
mod users;

/// Denies one path to a script that may do everything else, so that a denial marks a place in the run.
const ALL_BUT_DENIED: &str = r#"
permit(principal, action, resource);
@id("marked")
forbid(principal, action, resource == file_system::File::"/denied");
"#;

/// Leaves a log line, an alarm and a denial behind.
const TRACES: &str = r#"
info("seen");
AlarmBuilder().type("Seen").details("before the end").publish();
try { cat("/denied") } catch (e) {}
"#;

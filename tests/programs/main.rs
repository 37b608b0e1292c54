//! What does a program do that a script starts, what can it not do, and what is left of it?

mod confined;
mod core_dumps;
mod ends;
mod given;
mod kills;
mod loading;
mod places;
mod recipes;
mod sockets;
mod traces;

use std::fs;
use std::path::PathBuf;

use rex_tests::runs::Run;

/// A policy by which this file may be executed, whatever it is given.
pub(crate) fn execute(path: &str) -> String {
    let directory = path.rsplit_once('/').expect("a path is absolute").0;
    format!(
        "permit(principal, action == file_system::Action::\"open\", resource == file_system::Dir::\"{directory}\");\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"execute\"], resource == file_system::File::\"{path}\");\n"
    )
}

/// The beginning of a script, which opens this file.
pub(crate) fn opened(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').expect("a path is absolute");
    format!(
        "let program = DirConfig().path(\"{directory}\").build().open(OpenDirOptions().build())\
         .open_file(\"{name}\", OpenFileOptions().read(true).build());\n"
    )
}

/// Where a program of the host really is.
pub(crate) fn real(path: &str) -> String {
    let path: PathBuf = fs::canonicalize(path).unwrap_or_else(|error| panic!("{path} is needed: {error}"));
    path.to_str().expect("it is text").to_owned()
}

/// A run of a program with these options of `execute`; `of` is what the script tells of the result.
pub(crate) fn run(path: &str, options: &str, of: &str) -> Run {
    let script =
        format!("{}let result = program.execute(ExecuteOptions(){options}.build());\n{of}", opened(path));
    Run::of(&script).policy(&execute(path))
}

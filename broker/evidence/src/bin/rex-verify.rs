//! Says whether a sealed log is whole and as it was signed. It reads, and does nothing else.

fn main() -> std::process::ExitCode {
    rex_evidence::command::verify(std::env::args_os().skip(1))
}

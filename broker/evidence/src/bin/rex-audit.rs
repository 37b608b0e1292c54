//! Seals the record of decisions, and answers questions about what is sealed.

fn main() -> std::process::ExitCode {
    rex_evidence::command::audit(std::env::args_os().skip(1))
}

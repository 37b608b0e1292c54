//! The program that a broker starts beside itself when its policy could ever permit a script to execute something.

use std::process::ExitCode;

fn main() -> ExitCode {
    match rex_spawner::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

//! What a client has to be configured with, in the form that it reads.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::options::{Client, Install};

/// Prints it. Nothing is written anywhere else: the file is the user's.
pub(crate) fn print(asked: &Install) -> ExitCode {
    let program = std::env::current_exe()
        .map_or_else(|_| "rex-mcp".to_owned(), |path| path.to_string_lossy().into_owned());
    let text = format!("{:#}\n", configuration(asked.client, &program, &asked.served.words()));
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rex-mcp: cannot write: {error}");
            ExitCode::from(CANNOT_WRITE)
        }
    }
}

fn configuration(client: Client, program: &str, words: &[String]) -> Value {
    match client {
        Client::Vscode => {
            json!({ "servers": { "rex-broker": { "type": "stdio", "command": program, "args": words } } })
        }
        Client::ClaudeCode | Client::ClaudeDesktop | Client::Cursor => {
            json!({ "mcpServers": { "rex-broker": { "command": program, "args": words } } })
        }
    }
}

/// `EX_CANTCREAT` of sysexits.h, as the broker has it.
const CANNOT_WRITE: u8 = 73;

//! Interfaces and sockets of the host, HTTP, connections, and addresses of names.

pub mod client;
pub mod connect;
pub mod connections;
pub mod http;
pub mod interfaces;
pub mod resolve;
pub mod sockets;

use crate::session::{Failed, Session};
use rex_ipc::bounded::Text;

/// A denial in the words of Rex for Rex's scripts: it writes the name of the resource between quotation marks, and for some
/// types the name of the type twice.
fn in_words_of_rex(session: &Session, mut failed: Failed, kind: &str, kind_there: &str) -> Failed {
    if session.is_rex_compat() && failed.is_denial() {
        let message = failed.failure.message.as_str();
        if let Some((before, name)) = message.split_once(&format!(" for {kind}::")) {
            failed.failure.message = Text::cut(&format!("{before} for {kind_there}::\"{name}\""));
        }
    }
    failed
}

/// The type of URLs and endpoints.
const URL: &str = "network::url";
/// The type of names that are looked up.
const HOST_NAME: &str = "sysinfo::Hostname";

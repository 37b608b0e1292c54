//! Records as messages of journald with fields, by its native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>).

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::Value;

use super::super::read::{name, text, texts};

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A journal that is reached.
pub(super) struct Journal {
    socket: UnixDatagram,
    shown: String,
}

impl Journal {
    /// Reaches the journal that listens there.
    ///
    /// # Errors
    /// When nobody does.
    pub(super) fn reach(path: &Path) -> Result<Self, String> {
        let shown = path.display().to_string();
        let failed = |error: io::Error| format!("cannot reach the journal at {shown}: {error}");
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.connect(path).map_err(failed)?;
        Ok(Self { socket, shown })
    }

    /// Sends a record. What is too long for a datagram goes as a file in memory.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub(super) fn send(&self, record: &Value) -> Result<(), String> {
        let message = message(record);
        let sent = match self.socket.send(&message) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => self.send_file(&message),
            sent => sent.map(drop),
        };
        sent.map_err(|error| format!("cannot write to the journal at {}: {error}", self.shown))
    }

    fn send_file(&self, message: &[u8]) -> io::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"rex-broker-record", flags)?);
        file.write_all(message)?;
        // journald takes only what nobody can change any more.
        let seals =
            SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let descriptors = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(&[])], &rights, MsgFlags::empty(), None)?;
        Ok(())
    }
}

/// The fields of a record.
fn message(record: &Value) -> Vec<u8> {
    let of = |name: &str| text(record, name);
    let delegation = &record["delegation"];
    let decision = of("decision");
    let about = if of("resource").is_empty() { of("directory") } else { of("resource") };
    let shown = match decision {
        "" => format!("{} of run {}", of("event"), of("run")),
        decision => format!("{decision} {} on {about}", of("action")),
    };
    let priority = match (of("event"), decision) {
        ("violation", _) => "3",
        (_, "deny") | ("limit", _) => "4",
        _ => "6",
    };
    let record_line = record.to_string();
    let policies = texts(&record["policies"]).join("\n");
    let agent = texts(&delegation["act"]).first().copied().unwrap_or_default();
    let record_name = name(record);
    let fields = [
        ("MESSAGE", shown.as_str()),
        ("PRIORITY", priority),
        ("SYSLOG_IDENTIFIER", "rex-broker"),
        ("REX_RECORD", &record_name),
        ("REX_RUN", of("run")),
        ("REX_EVENT", of("event")),
        ("REX_TIME", of("time")),
        ("REX_PRINCIPAL", of("principal")),
        ("REX_AGENT", agent),
        ("REX_PURPOSE", text(delegation, "purpose")),
        ("REX_TICKET", text(delegation, "ticket")),
        ("REX_ACTION", of("action")),
        ("REX_RESOURCE_TYPE", of("resource_type")),
        ("REX_RESOURCE", about),
        ("REX_DECISION", decision),
        ("REX_POLICIES", &policies),
        ("REX_OUTCOME", of("outcome")),
        ("REX_JSON", &record_line),
    ];
    let mut message = Vec::new();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        push(&mut message, name, value);
    }
    message
}

/// Appends a field; the form with a length holds any bytes, so that no value can begin another field.
fn push(message: &mut Vec<u8>, name: &str, value: &str) {
    message.extend(name.as_bytes());
    if value.contains('\n') {
        message.push(b'\n');
        message.extend((value.len() as u64).to_le_bytes());
    } else {
        message.push(b'=');
    }
    message.extend(value.as_bytes());
    message.push(b'\n');
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::*;

    /// The fields of a message, read as the protocol has them.
    fn fields(mut message: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while !message.is_empty() {
            let end = message.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
            let (name, rest) = message.split_at(end);
            let (value, rest) = if rest[0] == b'=' {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                (&rest[1..end], &rest[end + 1..])
            } else {
                let length = u64::from_le_bytes(rest[1..9].try_into().unwrap()) as usize;
                assert_eq!(rest[9 + length], b'\n');
                (&rest[9..9 + length], &rest[10 + length..])
            };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            fields.push((text(name), text(value)));
            message = rest;
        }
        fields
    }

    fn record(resource: &str) -> Value {
        json!({ "run": "r", "seq": 1, "time": "t", "event": "decision", "principal": "a\nREX_DECISION=permit", "action": "A",
            "resource": resource, "decision": "deny", "policies": ["x", "y"] })
    }

    #[test]
    fn no_value_begins_a_field() {
        let told = fields(&message(&record("/a\n\nREX_DECISION=permit\n")));

        let of = |name: &str| {
            told.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("REX_DECISION"), ["deny"]);
        assert_eq!(of("REX_RESOURCE"), ["/a\n\nREX_DECISION=permit\n"]);
        assert_eq!(of("REX_POLICIES"), ["x\ny"]);
        assert_eq!(of("PRIORITY"), ["4"]);
        let whole: Value = serde_json::from_str(of("REX_JSON")[0]).unwrap();
        assert_eq!(whole["principal"], "a\nREX_DECISION=permit");
        assert!(
            told.iter().all(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        );
    }
}

//! Messages of name servers as they are on the wire: what tests put before the reader.

use rex_ipc::network::AddressKind;

/// A message of this number about this name: flags, and records of the answer.
pub fn message(id: u16, flags: u16, name: &str, kind: AddressKind, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = Vec::new();
    for number in [id, flags, 1, records.len() as u16, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(labels(name));
    message.extend(if kind == AddressKind::V4 { [0, 1, 0, 1] } else { [0, 28, 0, 1] });
    message.extend(records.concat());
    message
}

/// A name as it stands in a message: each label behind its length.
pub fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}

/// A record of this owner, whose name is encoded already.
pub fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 60]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// A pointer to the name in the question.
pub const QUESTION: &[u8] = b"\xc0\x0c";
/// The flags of an answer in which nothing is wrong.
pub const FINE: u16 = 0x8180;

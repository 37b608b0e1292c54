//! What an act does to the host, where action and resource do not say it.

use rex_ipc::file_system::{Instant, NewTime};
use serde_json::{Map, Value, json};

/// What an act does to its resource.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// The file gets this size.
    Truncate {
        /// In bytes.
        size_bytes: u64,
    },
    /// The file gets space from its start.
    Allocate {
        /// In bytes.
        size_bytes: u64,
    },
    /// Content that was collected comes to its place.
    Write {
        /// `append`, `in_place`, `replace` or `new`.
        how: &'static str,
        /// How much it is.
        bytes: u64,
    },
    /// The file gets the content of another one.
    Copy {
        /// The other one's path.
        from: &'a str,
        /// Its own.
        to: &'a str,
    },
    /// The object gets these permission bits.
    Mode(u16),
    /// The object gets this user and this group, by name or number; nothing for what stays.
    Owner {
        /// The user.
        user: Option<&'a str>,
        /// The group.
        group: Option<&'a str>,
    },
    /// The file gets these times.
    Times {
        /// Of its last access.
        accessed: Option<NewTime>,
        /// Of its last modification.
        modified: Option<NewTime>,
    },
    /// The link points there.
    Link {
        /// As it will stand in the link.
        target: &'a str,
    },
    /// The process gets this signal.
    Signal(&'static str),
    /// The kernel parameter gets this value.
    Parameter(&'a str),
    /// The program is started, kept from the rest as far as this says.
    Execute {
        /// `confined`, `approximate` or `unconfined`.
        children: &'static str,
    },
    /// The label gets these parts, in their order; nothing for what stays.
    Label([Option<&'a str>; 4]),
}

impl Act<'_> {
    /// As it stands in the record.
    pub fn to_json(&self) -> Value {
        match *self {
            Self::Truncate { size_bytes } => json!({ "does": "truncate", "size_bytes": size_bytes }),
            Self::Allocate { size_bytes } => json!({ "does": "allocate", "size_bytes": size_bytes }),
            Self::Write { how, bytes } => json!({ "does": how, "bytes": bytes }),
            Self::Copy { from, to } => json!({ "does": "copy", "from": from, "to": to }),
            Self::Mode(bits) => json!({ "does": "set_mode", "mode": format!("{bits:04o}") }),
            Self::Owner { user, group } => {
                with_given("set_owner", [("user", user.map(Value::from)), ("group", group.map(Value::from))])
            }
            Self::Times { accessed, modified } => {
                with_given("set_times", [("accessed", accessed.map(time)), ("modified", modified.map(time))])
            }
            Self::Link { target } => json!({ "does": "link", "target": target }),
            Self::Signal(name) => json!({ "does": "signal", "signal": name }),
            Self::Parameter(value) => json!({ "does": "set_parameter", "value": value }),
            Self::Execute { children } => json!({ "does": "execute", "children": children }),
            Self::Label([user, role, kind, level]) => with_given(
                "set_label",
                [("user", user), ("role", role), ("type", kind), ("level", level)]
                    .map(|(name, part)| (name, part.map(Value::from))),
            ),
        }
    }
}

/// What is done, with what is given.
fn with_given<const N: usize>(does: &str, fields: [(&str, Option<Value>); N]) -> Value {
    let mut act = Map::new();
    act.insert("does".to_owned(), does.into());
    for (name, value) in fields {
        if let Some(value) = value {
            act.insert(name.to_owned(), value);
        }
    }
    Value::Object(act)
}

fn time(time: NewTime) -> Value {
    match time {
        NewTime::Now => "now".into(),
        NewTime::At(Instant { seconds, nanoseconds }) => format!("{seconds}.{nanoseconds:09}").into(),
    }
}

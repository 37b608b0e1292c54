//! Why a token is not believed.

use std::{error, fmt};

/// Why a token is not believed. What it displays completes "the delegation is refused: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not three parts in base64url with dots between them, or too long.
    Form(&'static str),
    /// Its header is not the one that our tokens have.
    Header(String),
    /// It names a key that is not among those of the issuer.
    UnknownKey(String),
    /// No key of the issuer has signed it.
    Signature,
    /// What it says is not what tokens say.
    Claim {
        /// The name of the claim; empty for all of them together.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Somebody else has issued it; who says that they did.
    Issuer(String),
    /// It is meant for somebody else.
    Audience,
    /// It does not hold any more; when it ended and what time it is, in seconds since 1970.
    Expired {
        /// When it ended.
        ended: u64,
        /// What time it is.
        now: u64,
    },
    /// It does not hold yet; from when it holds and what time it is, in seconds since 1970.
    Early {
        /// From when it holds.
        begins: u64,
        /// What time it is.
        now: u64,
    },
    /// It was given to another user of the host.
    User {
        /// The one that it was given to.
        its: u32,
        /// The one who brings it.
        callers: u32,
    },
    /// It is for another script.
    Script,
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => write!(out, "it is no token: {why}"),
            Self::Header(why) => write!(out, "its header is not that of a delegation: {why}"),
            Self::UnknownKey(key) => write!(out, "the issuer has no key {key:?}"),
            Self::Signature => out.write_str("no key of the issuer has signed it"),
            Self::Claim { name: "", why } => write!(out, "its claims cannot be read: {why}"),
            Self::Claim { name, why } => write!(out, "its claim `{name}` {why}"),
            Self::Issuer(issuer) => {
                write!(out, "it is issued by {issuer:?}, which is not the issuer of this host")
            }
            Self::Audience => out.write_str("it is not meant for this host: its `aud` does not name it"),
            Self::Expired { ended, now } => write!(out, "it ended {} s ago", now.saturating_sub(*ended)),
            Self::Early { begins, now } => {
                write!(out, "it holds only in {} s; does the clock go right?", begins.saturating_sub(*now))
            }
            Self::User { its, callers } => {
                write!(out, "it was given to user {its}, and user {callers} has brought it")
            }
            Self::Script => out.write_str("it is for another script"),
        }
    }
}

impl error::Error for Refused {}

//! The jail's program, built with the broker and carried inside it.

/// A jail's program and its digest.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// A static program.
    pub bytes: &'a [u8],
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: &'a str,
}

/// The program that runs scripts. The command line knows no other.
pub const JAIL: Image<'static> =
    Image { bytes: include_bytes!(env!("REX_JAIL_IMAGE")), sha256: env!("REX_JAIL_IMAGE_SHA256") };

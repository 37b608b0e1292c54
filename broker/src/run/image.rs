//! The programs of jail and worker, built with the broker and carried inside it.

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

/// The program that reads what comes from the network.
pub const WORKER: Image<'static> =
    Image { bytes: include_bytes!(env!("REX_WORKER_IMAGE")), sha256: env!("REX_WORKER_IMAGE_SHA256") };

/// The program with which `doctor --prove` shows what a jail cannot do: the same start and the same lockdown, and
/// instead of an interpreter a list of forbidden acts. It runs no script, and nothing but `doctor` starts it.
pub const PROVER: Image<'static> =
    Image { bytes: include_bytes!(env!("REX_PROVER_IMAGE")), sha256: env!("REX_PROVER_IMAGE_SHA256") };

/// The program that starts those which scripts execute.
pub const SPAWNER: Image<'static> =
    Image { bytes: include_bytes!(env!("REX_SPAWNER_IMAGE")), sha256: env!("REX_SPAWNER_IMAGE_SHA256") };

//! Which packages may depend on which, and what a program must not contain.

/// What each package may depend on directly, other than for its tests. Read a change here as a change of the design.
pub const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("rex-ipc", &["bincode", "serde"]),
    ("rex-agreed", &["libc", "nix"]),
    ("rex-inside", &["libc", "nix", "rex-agreed", "seccompiler", "spin", "talc"]),
    ("rex-outside", &["caps", "landlock", "libc", "nix", "rex-agreed", "serde"]),
    ("rex-spawner", &["libc", "nix", "rex-agreed"]),
    ("rex-image", &[]),
    ("rex-evidence", &["nix", "ring"]),
    ("rex-dns", &["rex-ipc"]),
    ("rex-worker", &["rex-agreed", "rex-dns", "rex-inside", "rex-ipc", "rustls", "rustls-pki-types"]),
    (
        "rex-jail",
        &[
            "flate2",
            "memchr",
            "object",
            "regex",
            "rex-agreed",
            "rex-dns",
            "rex-inside",
            "rex-ipc",
            "rhai",
            "rustls-pki-types",
            "rustls-webpki",
            "tar",
            "time",
        ],
    ),
    (
        "rex-broker",
        &[
            "annotate-snippets",
            "cedar-policy-core",
            "clap",
            "clap_complete",
            "getrandom",
            "miette",
            "nix",
            "regex",
            "rex-image",
            "rex-ipc",
            "rex-outside",
            "rex-spawner",
            "serde",
            "serde_json",
            "sha2",
            "strsim",
            "time",
            "toml",
            "tracing",
            "tracing-subscriber",
        ],
    ),
];

/// What a program must not contain, however it would get there.
pub const MUST_NOT_REACH: &[(&str, &[&str])] = &[
    // The broker has no interpreter and no encoding but the one of the boundary.
    // What comes from the network it does not read: no TLS, and no answers of name servers.
    (
        "rex-broker",
        &[
            "rhai",
            "rex-jail",
            "rex-worker",
            "rex-dns",
            "rex-inside",
            "rex-acts",
            "rex-evidence",
            "ring",
            "rustls",
            "tokio",
            "reqwest",
            "openssl-sys",
        ],
    ),
    // Who checks the evidence builds this alone, and who signs it is not the broker.
    (
        "rex-evidence",
        &[
            "rex-broker",
            "rex-ipc",
            "rex-outside",
            "cedar-policy-core",
            "rhai",
            "rustls",
            "serde",
            "clap",
            "tokio",
        ],
    ),
    // The worker has no script, no policy, and none of what it would need to reach anything but its broker.
    (
        "rex-worker",
        &[
            "rhai",
            "cedar-policy",
            "cedar-policy-core",
            "rex-broker",
            "rex-jail",
            "rex-outside",
            "rex-acts",
            "tokio",
            "mio",
            "socket2",
            "webpki-roots",
            "openssl-sys",
        ],
    ),
    // The jail has no policy engine, no parser of command lines, nothing that listens, and no second process.
    (
        "rex-jail",
        &[
            "cedar-policy",
            "cedar-policy-core",
            "rex-broker",
            "rex-worker",
            "rex-outside",
            "rex-spawner",
            "rex-acts",
            "rustls",
            "landlock",
            "caps",
            "clap",
            "tokio",
            "mio",
            "socket2",
        ],
    ),
    ("rex-agreed", &["rex-ipc", "rex-inside", "rex-outside"]),
    ("rex-inside", &["rex-ipc", "rex-broker", "rex-jail", "rex-outside"]),
    ("rex-outside", &["rex-ipc", "rex-broker", "rex-jail", "rex-inside"]),
    // What starts programs speaks to no jail, decides nothing, and is no part of one.
    ("rex-spawner", &["rex-ipc", "rex-broker", "rex-jail", "rex-inside", "rex-outside", "cedar-policy-core"]),
    ("rex-ipc", &["libc", "nix", "rex-agreed"]),
];

//! Which variables and files the manual pages name.

use super::page::Place;

/// A variable or file, and the pages that it is on.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) places: &'static [Place],
}

const ALL: &[Place] = &[Place::Runs, Place::Looks, Place::Configures, Place::Policies, Place::Prints];
const CONFIGURED: &[Place] = &[Place::Runs, Place::Looks, Place::Configures];
const RUNS: &[Place] = &[Place::Runs];

pub(super) const ENVIRONMENT: &[Named] = &[
    Named {
        name: "REX_BROKER_*",
        meaning: "A setting, such as REX_BROKER_TIMEOUT=60. It may tighten what the files say, and not loosen it.",
        places: CONFIGURED,
    },
    Named {
        name: "REX_BROKER_LOG",
        meaning: "What the program tells of itself on standard error, such as debug; warn unless it is set.",
        places: ALL,
    },
    Named {
        name: "XDG_CONFIG_HOME, HOME",
        meaning: "Where the user's configuration is; not heeded as root.",
        places: CONFIGURED,
    },
    Named {
        name: "XDG_STATE_HOME, HOME",
        meaning: "Where the record of decisions and the journal of temporary names are; not heeded as root.",
        places: RUNS,
    },
    Named {
        name: "NO_COLOR, TERM",
        meaning: "No colours where the first is set or the second is dumb, unless --color says otherwise.",
        places: RUNS,
    },
    Named {
        name: "DBUS_SYSTEM_BUS_ADDRESS",
        meaning: "Where the system bus is, as for every client of D-Bus: unix:path=PATH or unix:abstract=NAME, else /var/run/dbus/system_bus_socket.",
        places: RUNS,
    },
    Named {
        name: "LOG_LEVEL",
        meaning: "As in Rex: log lines of the script below TRACE, DEBUG, INFO, WARN or ERROR are left out.",
        places: RUNS,
    },
    Named {
        name: "REX_RUNNER_DISABLE_MONITORING",
        meaning: "As in Rex: 1 or true leaves out the metrics of memory and processor.",
        places: RUNS,
    },
];

pub(super) const FILES: &[Named] = &[
    Named {
        name: "/etc/rex-broker/config.toml, /etc/rex-broker/conf.d/*.toml",
        meaning: "What holds on this host. Only these may loosen a setting that has a value there.",
        places: CONFIGURED,
    },
    Named {
        name: "$XDG_CONFIG_HOME/rex-broker/config.toml, or ~/.config/rex-broker/config.toml",
        meaning: "What a user has set; not read as root.",
        places: CONFIGURED,
    },
    Named {
        name: "/var/log/rex-broker/audit.jsonl",
        meaning: "The record of decisions as root, unless --audit-log or a file says otherwise.",
        places: CONFIGURED,
    },
    Named {
        name: "$XDG_STATE_HOME/rex-broker/audit.jsonl, or ~/.local/state/rex-broker/audit.jsonl",
        meaning: "The same for everybody else.",
        places: CONFIGURED,
    },
    Named {
        name: "/var/lib/rex-broker/temporaries, or temporaries beside the user's record",
        meaning: "While a run writes: where it has made temporary names, for the next run to remove what a kill left.",
        places: RUNS,
    },
    Named {
        name: "/var/lib/rex-broker/delegations",
        meaning: "Which delegations were used, and which are revoked; root's alone.",
        places: RUNS,
    },
    Named {
        name: "/etc/opt/rex/rex_redaction.config",
        meaning: "What may be read of files that may only be read redacted.",
        places: RUNS,
    },
];

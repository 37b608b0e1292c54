//! The acts that only the filter stops, reviewed: at most five, each with the reason why that is enough.

/// Name of the act, and why one layer is enough.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "outlive_broker",
        "the broker kills the jail at the end of every run; the death signal is for a broker that was killed itself, and a \
         jail that then lives on can reach nobody, because its socket is closed, and ends at its limit of processor time",
    ),
    (
        "new_user_namespace",
        "it gives capabilities over nothing but itself: what a process could do with them (mounts, descriptors, sockets, \
         processes) is refused by Landlock and by limits of zero, which stay in force inside",
    ),
    ("ask_for_time", "the host keeps no secret in the time of day; reading it disturbs nobody"),
    (
        "ask_for_memory_and_uptime",
        "no namespace hides the size of the host's memory and its uptime; reading them disturbs nobody",
    ),
];

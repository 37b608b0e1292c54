//! Who runs the tests, and where.

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether this is root of a container only, who has one user, and so none that would be a jail's own.
///
/// # Source
/// user_namespaces(7): first id inside, first id outside, count; the initial namespace maps every id to itself.
pub(crate) fn is_root_of_a_container() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let maps_every_id = map.split_whitespace().eq(["0", "0", "4294967295"]);
    is_root() && !maps_every_id
}

/// Says that a test was skipped; true when it is to be.
pub(crate) fn skipped_in_a_container() -> bool {
    let is_skipped = is_root_of_a_container();
    if is_skipped {
        rex_tests::skip::skipped("root of a container has no other user to run a jail or a broker as");
    }
    is_skipped
}

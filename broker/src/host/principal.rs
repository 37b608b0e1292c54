//! Who a run is for, as the policy is asked about it: one principal for one user.

use crate::host::file_system::unguarded;
use crate::policy::REX_NAMELESS;

/// The principal of a user: the name, or `uid:1234` where there is none.
///
/// passwd(5) separates its fields by colons, so that no name there looks like the latter. Other sources of names can have
/// any; one with a colon, or an empty one, could pass for another user, and counts as none.
pub fn of(uid: u32) -> String {
    named(uid, unguarded::user_name(uid))
}

/// The principal of a user as Rex has it, where all users without a name are one.
pub fn of_rex(uid: u32) -> String {
    unguarded::user_name(uid).unwrap_or_else(|| REX_NAMELESS.to_owned())
}

fn named(uid: u32, name: Option<String>) -> String {
    name.filter(|name| !name.is_empty() && !name.contains(':')).unwrap_or_else(|| format!("uid:{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_is_a_principal_of_their_own() {
        let named = |uid, name: Option<&str>| named(uid, name.map(str::to_owned));

        assert_eq!(named(0, Some("root")), "root");
        assert_eq!(named(1234, Some("5678")), "5678");
        assert_eq!(named(1234, Some("unknown")), "unknown");
        for nameless in [None, Some(""), Some("uid:0"), Some("a:b")] {
            assert_eq!(named(1234, nameless), "uid:1234");
        }
    }

    #[test]
    fn users_without_a_name_are_told_apart() {
        // The largest number but one that means no user.
        let nobody_is = [4_294_967_000, 4_294_967_001];

        assert_eq!(nobody_is.map(of), ["uid:4294967000", "uid:4294967001"]);
        assert_eq!(nobody_is.map(of_rex), ["unknown", "unknown"]);
    }
}

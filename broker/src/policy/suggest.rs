//! What a name that does not exist was probably meant to be.

use rex_ipc::action::ActionId;

use super::vocabulary::{KINDS, Vocabulary, entity_id};

/// The nearest candidate, if it is near enough to be a slip of the pen.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&written.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint that offers it.
pub(super) fn did_you_mean(candidate: &str) -> String {
    format!("did you mean `{candidate}`?")
}

/// What to write in place of an entity type that does not exist.
pub(super) fn entity_type(written: &str) -> Option<String> {
    let known = || KINDS.iter().map(|kind| kind.type_name()).chain(OTHER_TYPES);
    let last = last_part(written);
    let same = known().find(|known| last_part(known).eq_ignore_ascii_case(last));
    if let Some(known) = same {
        return Some(did_you_mean(known));
    }
    if GROUPS_OF_USERS.iter().any(|group| group.eq_ignore_ascii_case(last)) {
        return Some(
            "write `Group` for a group that a delegation names; groups of the host are not known: name their users, as in `[User::\"a\", User::\"b\"].contains(principal)`"
                .to_owned(),
        );
    }
    let by_use =
        TYPES_BY_USE.iter().find(|(words, _)| words.iter().any(|word| word.eq_ignore_ascii_case(last)));
    by_use.map(|(_, known)| *known).or_else(|| nearest(written, known())).map(did_you_mean)
}

/// What to write in place of an action that does not exist: `Type::"id"`, where namespace, id or both are wrong.
pub(super) fn action(written: &str, words: &Vocabulary) -> Option<String> {
    let (ty, id) = split(written)?;
    let namespace = ty.strip_suffix("Action").unwrap_or(&ty).trim_end_matches("::");
    // A full name inside the quotes is a name and a half: `Action::"file_system::Action::read"`.
    let (inner, short) = match id.rsplit_once("::") {
        Some((inner, short)) => {
            (inner.trim_end_matches("Action").trim_end_matches("::"), short.trim_matches('"'))
        }
        None => ("", id.as_str()),
    };
    let is_named = |own: &str, wanted: &str| !wanted.is_empty() && own.eq_ignore_ascii_case(wanted);
    let known = known_actions(words);
    let of_that_id: Vec<&Known> =
        known.iter().filter(|known| known.name.eq_ignore_ascii_case(short)).collect();
    let in_place: Vec<&Known> = of_that_id
        .iter()
        .filter(|known| is_named(&known.namespace, namespace) || is_named(&known.namespace, inner))
        .copied()
        .collect();
    if !in_place.is_empty() {
        return Some(one_of(&in_place));
    }
    // An id of another kind of thing says less than what the word is used for here.
    let own_namespace = ActionId::ALL
        .iter()
        .map(|action| action.namespace())
        .find(|own| is_named(own, namespace) || is_named(own, inner));
    let by_use = |in_namespace: &str| {
        ACTIONS_BY_USE.iter().find(|(namespace, words, _)| {
            *namespace == in_namespace && words.iter().any(|word| word.eq_ignore_ascii_case(short))
        })
    };
    if let Some((_, _, action)) = own_namespace.and_then(by_use) {
        return Some(did_you_mean(action.uid()));
    }
    if own_namespace.is_none() {
        // Without a namespace, or with one that is misspelt.
        if let Some(known) = near_namespace(namespace, &of_that_id) {
            return Some(one_of(&[known]));
        }
        if !of_that_id.is_empty() {
            return Some(one_of(&of_that_id));
        }
        if let Some((_, _, action)) = by_use("file_system") {
            return Some(did_you_mean(action.uid()));
        }
    }
    let near = |in_namespace: Option<&str>| {
        let candidates = known.iter().filter(|known| in_namespace.is_none_or(|own| known.namespace == own));
        nearest(short, candidates.map(|known| known.name.as_str()))
            .and_then(|name| {
                known
                    .iter()
                    .find(|known| known.name == name && in_namespace.is_none_or(|own| known.namespace == own))
            })
            .map(|known| did_you_mean(&known.uid))
    };
    match own_namespace {
        Some(own) => near(Some(own)).or_else(|| (!of_that_id.is_empty()).then(|| one_of(&of_that_id))),
        None => nearest(written, known.iter().map(|known| known.uid.as_str()))
            .map(did_you_mean)
            .or_else(|| near(None)),
    }
}

/// What an act is called here that has another name elsewhere, such as `list`, `fs::list` or `file_system::list`: the hint that
/// offers it. Without a namespace the word is one about files.
pub fn action_by_use(written: &str) -> Option<String> {
    let (namespace, short) = match written.rsplit_once("::") {
        Some((namespace, short)) => (namespace.trim_end_matches("::Action"), short.trim_matches('"')),
        None => ("file_system", written),
    };
    let found = ACTIONS_BY_USE.iter().find(|(known, words, _)| {
        known.eq_ignore_ascii_case(namespace) && words.iter().any(|word| word.eq_ignore_ascii_case(short))
    });
    found.map(|(_, _, action)| did_you_mean(action.uid()))
}

/// An action or a group of them.
struct Known {
    namespace: String,
    name: String,
    uid: String,
}

fn known_actions(words: &Vocabulary) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for (action, names) in words.actions() {
        let namespace = action.namespace().to_owned();
        let uids = [Some(&*names.uid), names.group.as_ref()];
        for uid in uids.into_iter().flatten() {
            let name: &str = uid.eid().as_ref();
            let spelled = uid.to_string();
            if known.iter().all(|known| known.uid != spelled) {
                known.push(Known { namespace: namespace.clone(), name: name.to_owned(), uid: spelled });
            }
        }
    }
    known
}

fn near_namespace<'a>(namespace: &str, known: &[&'a Known]) -> Option<&'a Known> {
    let name = nearest(namespace, known.iter().map(|known| known.namespace.as_str()))?;
    known.iter().find(|known| known.namespace == name).copied()
}

fn one_of(known: &[&Known]) -> String {
    let quoted: Vec<String> = known.iter().map(|known| format!("`{}`", known.uid)).collect();
    format!("did you mean {}?", quoted.join(" or "))
}

/// Type and id of `Type::"id"`.
fn split(written: &str) -> Option<(String, String)> {
    let (ty, rest) = written.split_once("::\"")?;
    let id = rest.strip_suffix('"')?;
    Some((ty.to_owned(), entity_id(id).unwrap_or_else(|| id.to_owned())))
}

fn last_part(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

const OTHER_TYPES: [&str; 7] =
    ["User", "Group", "Agent", "Purpose", "Session", "file_system::Arguments", "file_system::Environment"];

const GROUPS_OF_USERS: [&str; 5] = ["UserGroup", "Role", "Team", "Groups", "Roles"];

/// What people call a type elsewhere.
const TYPES_BY_USE: &[(&[&str], &str)] = &[
    (&["Directory", "Folder", "Tree"], "file_system::Dir"),
    (&["Path", "Link", "Symlink", "Device"], "file_system::File"),
    (&["Account", "Principal", "Person"], "User"),
    (&["Proc", "Pid"], "process_system::Process"),
    (&["Unit", "Daemon"], "systemd::Service"),
    (&["Host", "Domain"], "sysinfo::Hostname"),
    (&["Uri", "Endpoint"], "network::url"),
];

/// What people call an act elsewhere, by namespace.
const ACTIONS_BY_USE: &[(&str, &[&str], ActionId)] = &[
    ("file_system", &["list", "ls", "readdir", "cat", "view", "get", "search"], ActionId::FileSystemRead),
    ("file_system", &["remove", "rm", "unlink", "rmdir", "del"], ActionId::FileSystemDelete),
    ("file_system", &["rename", "mv"], ActionId::FileSystemMove),
    ("file_system", &["exec", "run", "spawn", "start"], ActionId::FileSystemExecute),
    ("file_system", &["mkdir", "touch", "make", "new", "link", "symlink"], ActionId::FileSystemCreate),
    ("file_system", &["append", "edit", "modify", "update", "truncate", "put"], ActionId::FileSystemWrite),
    ("file_system", &["cd", "enter", "traverse", "walk", "access"], ActionId::FileSystemOpen),
    ("file_system", &["metadata", "info", "attributes", "exists"], ActionId::FileSystemStat),
    ("file_system", &["mode", "permissions", "set_mode"], ActionId::FileSystemChmod),
    ("file_system", &["owner", "set_owner", "chgrp"], ActionId::FileSystemChown),
    ("file_system", &["umount"], ActionId::FileSystemUnmount),
    ("process_system", &["ps", "read", "stat", "view"], ActionId::ProcessList),
    ("process_system", &["signal", "terminate", "stop"], ActionId::ProcessKill),
    ("systemd", &["reload", "daemon-reload"], ActionId::SystemdDaemonReload),
    ("systemd", &["read", "show", "list", "is_active"], ActionId::SystemdStatus),
    ("sysinfo", &["read", "get", "uname"], ActionId::SysinfoList),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("pth", ["path", "name"]), Some("path"));
        assert_eq!(
            nearest("filesystem::Dir", ["file_system::Dir", "file_system::File"]),
            Some("file_system::Dir")
        );
        assert_eq!(nearest("network::URL", ["network::url"]), Some("network::url"));
        assert_eq!(nearest("colour", ["path", "name"]), None);
        assert_eq!(nearest("", ["path"]), None);
    }

    #[test]
    fn an_action_is_found_by_its_id_wherever_the_namespace_went() {
        let words = Vocabulary::new();
        for (written, meant) in [
            (r#"Action::"read""#, r#"file_system::Action::"read""#),
            (r#"Action::"Read""#, r#"file_system::Action::"read""#),
            (r#"Action::"SafeIO""#, r#"file_system::Action::"SafeIO""#),
            (r#"Action::"restart""#, r#"systemd::Action::"restart""#),
            (r#"file_system::Action::"file_system::Action::read""#, r#"file_system::Action::"read""#),
            (r#"Action::"file_system::Action::read""#, r#"file_system::Action::"read""#),
            (r#"Action::"file_system::read""#, r#"file_system::Action::"read""#),
            (r#"file_system::Action::"file_system::Action::\"read\"""#, r#"file_system::Action::"read""#),
            (r#"filesystem::Action::"read""#, r#"file_system::Action::"read""#),
            (r#"file_system::Action::"raed""#, r#"file_system::Action::"read""#),
            (r#"Action::"raed""#, r#"file_system::Action::"read""#),
            (r#"file_system::Action::"SafeIo""#, r#"file_system::Action::"SafeIO""#),
            (r#"file_system::Action::"list""#, r#"file_system::Action::"read""#),
            (r#"file_system::Action::"remove""#, r#"file_system::Action::"delete""#),
            (r#"file_system::Action::"rename""#, r#"file_system::Action::"move""#),
            (r#"Action::"unlink""#, r#"file_system::Action::"delete""#),
            (r#"systemd::Action::"reload""#, r#"systemd::Action::"daemon_reload""#),
            (r#"file_system::Action::"restart""#, r#"systemd::Action::"restart""#),
        ] {
            assert_eq!(action(written, &words), Some(did_you_mean(meant)), "{written}");
        }
        assert_eq!(
            action(r#"Action::"network_namespace""#, &words).unwrap(),
            "did you mean `file_system::Action::\"network_namespace\"` or `process_system::Action::\"network_namespace\"`?"
        );
        assert_eq!(action(r#"Action::"fly""#, &words), None);
    }

    #[test]
    fn an_action_is_found_by_what_it_is_for() {
        for (written, meant) in [
            ("list", r#"file_system::Action::"read""#),
            ("RM", r#"file_system::Action::"delete""#),
            ("file_system::ls", r#"file_system::Action::"read""#),
            (r#"file_system::Action::"mkdir""#, r#"file_system::Action::"create""#),
            ("process_system::ps", r#"process_system::Action::"list""#),
            ("systemd::reload", r#"systemd::Action::"daemon_reload""#),
        ] {
            assert_eq!(action_by_use(written), Some(did_you_mean(meant)), "{written}");
        }
        assert_eq!(action_by_use("read"), None);
        assert_eq!(action_by_use("nowhere::list"), None);
    }

    #[test]
    fn a_type_is_found_by_its_last_part_and_by_its_use() {
        for (written, meant) in [
            ("file_system::User", "User"),
            ("user", "User"),
            ("File", "file_system::File"),
            ("Dir", "file_system::Dir"),
            ("fs::Dir", "file_system::Dir"),
            ("filesystem::Dir", "file_system::Dir"),
            ("network::URL", "network::url"),
            ("file_system::Directory", "file_system::Dir"),
            ("Folder", "file_system::Dir"),
            ("systemd::Unit", "systemd::Service"),
            ("file_system::Fiel", "file_system::File"),
        ] {
            assert_eq!(entity_type(written), Some(did_you_mean(meant)), "{written}");
        }
        assert!(entity_type("group").unwrap().contains("`Group`"));
        assert!(entity_type("UserGroup").unwrap().contains("groups of the host are not known"));
        assert_eq!(entity_type("Spaceship"), None);
    }

    #[test]
    fn what_is_offered_for_a_use_exists() {
        for (namespace, words, action) in ACTIONS_BY_USE {
            assert_eq!(action.namespace(), *namespace, "{words:?}");
        }
        for (_, known) in TYPES_BY_USE {
            assert!(KINDS.iter().any(|kind| kind.type_name() == *known) || OTHER_TYPES.contains(known));
        }
    }
}

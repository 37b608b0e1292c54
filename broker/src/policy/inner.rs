//! What a program that a script starts may do at most: the policy, rounded down to whole trees of directories.
//!
//! Behind the broker's own limits Cedar still decides; behind a program nothing does. So it gets a right only where *every*
//! object below a place would be permitted what the right is worth, whoever asks when. A permit with a condition gives it
//! nothing; a forbid takes away wherever it could match, and so does whatever could fail to be evaluated there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use cedar_policy_core::ast::{Effect, EntityReference, PrincipalOrResourceConstraint};
use rex_ipc::action::ActionId;
use rex_ipc::action::ResourceKind::{self, Dir, File};

use super::name::PathName;
use super::narrow::{self, Area, Reach};
use super::policies::{Policies, Rule};
use super::vocabulary::Vocabulary;

/// What a program can be let do at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InnerRight {
    /// Files are read.
    Read,
    /// Directories are listed.
    List,
    /// The content of files is changed.
    Write,
    /// Files and links are made.
    MakeFiles,
    /// Directories are made.
    MakeDirectories,
    /// Files and links are removed.
    RemoveFiles,
    /// Directories are removed.
    RemoveDirectories,
    /// Files are executed.
    Execute,
    /// Names are changed, within what may be made and removed.
    Rename,
}

impl InnerRight {
    /// Every right.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::List,
        Self::Write,
        Self::MakeFiles,
        Self::MakeDirectories,
        Self::RemoveFiles,
        Self::RemoveDirectories,
        Self::Execute,
        Self::Rename,
    ];

    /// What a script would have to be permitted for it. Directories are opened on the way to whatever is in them.
    pub const fn needs(self) -> &'static [(ActionId, ResourceKind)] {
        use ActionId as Act;
        match self {
            Self::Read => {
                &[(Act::FileSystemOpen, Dir), (Act::FileSystemOpen, File), (Act::FileSystemRead, File)]
            }
            Self::List => &[(Act::FileSystemOpen, Dir), (Act::FileSystemRead, Dir)],
            Self::Write => {
                &[(Act::FileSystemOpen, Dir), (Act::FileSystemOpen, File), (Act::FileSystemWrite, File)]
            }
            // What is made can be written by whoever has made it.
            Self::MakeFiles => &[
                (Act::FileSystemOpen, Dir),
                (Act::FileSystemOpen, File),
                (Act::FileSystemCreate, File),
                (Act::FileSystemWrite, File),
            ],
            Self::MakeDirectories => &[(Act::FileSystemOpen, Dir), (Act::FileSystemCreate, Dir)],
            Self::RemoveFiles => &[(Act::FileSystemOpen, Dir), (Act::FileSystemDelete, File)],
            Self::RemoveDirectories => &[(Act::FileSystemOpen, Dir), (Act::FileSystemDelete, Dir)],
            Self::Execute => &[
                (Act::FileSystemOpen, Dir),
                (Act::FileSystemOpen, File),
                (Act::FileSystemRead, File),
                (Act::FileSystemExecute, File),
            ],
            // Something that has the new name already is replaced, and content comes to stand under another name.
            Self::Rename => &[
                (Act::FileSystemOpen, Dir),
                (Act::FileSystemMove, File),
                (Act::FileSystemMove, Dir),
                (Act::FileSystemCreate, File),
                (Act::FileSystemCreate, Dir),
                (Act::FileSystemDelete, File),
                (Act::FileSystemDelete, Dir),
                (Act::FileSystemRead, File),
                (Act::FileSystemWrite, File),
            ],
        }
    }
}

/// A place, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerPlace {
    /// The directory, or the file.
    pub path: PathName,
    /// Whether everything below it is meant; else it is one file.
    pub is_tree: bool,
    /// The rights, in order.
    pub rights: Vec<InnerRight>,
    /// What lies below it and is left out, with all that is below that.
    pub except: Vec<PathName>,
}

/// What a program may do at most.
#[derive(Clone, Debug, Default)]
pub struct Inner {
    /// The places, by path.
    pub places: Vec<InnerPlace>,
}

impl Inner {
    /// Whether names may be changed wherever something may be made and removed. It is a property of a program as a whole:
    /// what changes names can be kept from a program, and not from a place.
    pub fn may_rename(&self) -> bool {
        let has = |place: &InnerPlace, rights: &[InnerRight]| {
            rights.iter().any(|right| place.rights.contains(right))
        };
        let (makes, removes): (&[_], &[_]) = (
            &[InnerRight::MakeFiles, InnerRight::MakeDirectories],
            &[InnerRight::RemoveFiles, InnerRight::RemoveDirectories],
        );
        // Rights at one path can stand in several places, with other exceptions each.
        let changing: Vec<&InnerPlace> =
            self.places.iter().filter(|place| has(place, makes) || has(place, removes)).collect();
        !changing.is_empty() && changing.iter().all(|place| place.rights.contains(&InnerRight::Rename))
    }
}

impl Inner {
    /// Whether all of these may be done to something of this name, and to everything below it.
    pub fn grants(&self, path: &PathName, rights: &[InnerRight]) -> bool {
        let has = |place: &InnerPlace, right| {
            let is_apart = |except: &PathName| !path.is_within(except) && !except.is_within(path);
            place.rights.contains(right)
                && match place.is_tree {
                    true => path.is_within(&place.path) && place.except.iter().all(is_apart),
                    false => *path == place.path,
                }
        };
        rights.iter().all(|right| self.places.iter().any(|place| has(place, right)))
    }
}

impl Policies {
    /// Whether some policy could ever permit this action, whatever it is asked about.
    pub fn could_permit(&self, action: ActionId) -> bool {
        self.rules.iter().any(|rule| {
            rule.effect == Effect::Permit
                && action.resources().iter().any(|kind| rule.scope.can_match(action, *kind, &self.words))
        })
    }

    /// What a program may do at most that this principal has a script start; `closed` is what no policy opens.
    pub fn inner(&self, principal: &str, closed: &[PathName]) -> Inner {
        let mut reader = Reader::new(self, principal, closed);
        for right in InnerRight::ALL {
            reader.read(right);
        }
        // Rights with the same exceptions at one path are one place.
        let place = |((path, is_tree, except), rights)| InnerPlace { path, is_tree, rights, except };
        Inner { places: reader.places.into_iter().map(place).collect() }
    }
}

/// Path, whether a tree, exceptions.
type Key = (PathName, bool, Vec<PathName>);

struct Reader<'a> {
    policies: &'a Policies,
    principal: &'a str,
    closed: BTreeSet<PathName>,
    places: BTreeMap<Key, Vec<InnerRight>>,
    /// What is said of each action about each type, which is asked about for every place again.
    said: HashMap<(ActionId, ResourceKind), Rc<Said>>,
    /// How many rules were looked at; this is what takes the time.
    looks: u64,
}

/// What the rules say of an action about one type of resource.
#[derive(Debug, Default)]
struct Said {
    /// Everything of the type at or below these is permitted.
    trees: BTreeSet<PathName>,
    /// And these.
    single: BTreeSet<PathName>,
    /// Where something could say no, or fail to say anything; nothing when that is everywhere.
    doubtful: Option<BTreeSet<PathName>>,
}

/// Whether a path is one of these or lies in one of them.
fn is_in_one(path: &PathName, of: &BTreeSet<PathName>) -> bool {
    let mut above = path.clone();
    loop {
        if of.contains(&above) {
            return true;
        }
        if above.as_str() == "/" {
            return false;
        }
        above = above.parent();
    }
}

/// Those of them that lie in a directory.
fn those_below<'s>(top: &PathName, of: &'s BTreeSet<PathName>) -> impl Iterator<Item = &'s PathName> {
    let first = if top.as_str() == "/" { "/".to_owned() } else { format!("{top}/") };
    let bounds = (Bound::Excluded(first.as_str()), Bound::Unbounded);
    // What begins alike stands together.
    of.range::<str, _>(bounds).take_while(move |path| path.as_str().starts_with(&first))
}

/// Where a permit without a condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cover {
    /// At everything of these types at or below a directory.
    Tree(PathName, &'static [ResourceKind]),
    /// At one thing.
    One(PathName, ResourceKind),
}

const BOTH: &[ResourceKind] = &[Dir, File];

impl<'a> Reader<'a> {
    fn new(policies: &'a Policies, principal: &'a str, closed: &[PathName]) -> Self {
        let closed = closed.iter().cloned().collect();
        Self { policies, principal, closed, places: BTreeMap::new(), said: HashMap::new(), looks: 0 }
    }

    fn read(&mut self, right: InnerRight) {
        let needs = right.needs();
        // Any place that has the right is permitted the last of its needs by some rule; those are all candidates.
        let Some((action, kind)) = needs.last() else { return };
        let said: Vec<Rc<Said>> = needs.iter().map(|(action, kind)| self.said(*action, *kind)).collect();
        let last = self.said(*action, *kind);
        let trees = last.trees.iter().filter_map(|path| self.tree(path, &said));
        // A right on one directory would be one on everything below it.
        let files = last.single.iter().filter(|_| *kind == File);
        let files = files.filter_map(|path| self.file(path, right, &said));
        let found: Vec<Key> = trees.chain(files).collect();
        for key in found {
            let rights = self.places.entry(key).or_default();
            if !rights.contains(&right) {
                rights.push(right);
            }
        }
    }

    /// What is said of an action about one type, by permits without a condition and by whatever is against it.
    fn said(&mut self, action: ActionId, kind: ResourceKind) -> Rc<Said> {
        if let Some(said) = self.said.get(&(action, kind)) {
            return Rc::clone(said);
        }
        let words = &self.policies.words;
        let mut said = Said { doubtful: self.doubtful(action, kind), ..Said::default() };
        for rule in &self.policies.rules {
            self.looks += 1;
            let is_permit = rule.effect == Effect::Permit
                && rule.scope.names_action(action)
                && is_unconditional(rule)
                && is_for(rule, self.principal, words);
            match cover(rule, words).filter(|_| is_permit) {
                Some(Cover::Tree(path, kinds)) if kinds.contains(&kind) => said.trees.insert(path),
                Some(Cover::One(path, of)) if of == kind => said.single.insert(path),
                _ => false,
            };
        }
        let said = Rc::new(said);
        self.said.insert((action, kind), Rc::clone(&said));
        said
    }

    /// A whole tree, if everything in it is permitted all of this, but for what is left out.
    fn tree(&self, path: &PathName, needs: &[Rc<Said>]) -> Option<Key> {
        let mut except = BTreeSet::new();
        for said in needs {
            let doubtful = said.doubtful.as_ref()?;
            if !is_in_one(path, &said.trees) || is_in_one(path, doubtful) {
                return None;
            }
            except.extend(those_below(path, doubtful));
        }
        if is_in_one(path, &self.closed) {
            return None;
        }
        except.extend(those_below(path, &self.closed));
        // What lies in something that is left out is left out with it.
        let all: BTreeSet<PathName> = except.into_iter().cloned().collect();
        let except = all.iter().filter(|one| !is_in_one(&one.parent(), &all)).cloned().collect();
        Some((path.clone(), true, except))
    }

    /// One file, if it and its directory are permitted all of this.
    fn file(&self, path: &PathName, right: InnerRight, needs: &[Rc<Said>]) -> Option<Key> {
        // What is made or removed is a name in a directory, and the directory is not meant.
        if !matches!(right, InnerRight::Read | InnerRight::Write | InnerRight::Execute) {
            return None;
        }
        if is_in_one(path, &self.closed) {
            return None;
        }
        for ((_, kind), said) in right.needs().iter().zip(needs) {
            let what = if *kind == Dir { path.parent() } else { path.clone() };
            let is_covered = is_in_one(&what, &said.trees) || said.single.contains(&what);
            if !is_covered || is_in_one(&what, said.doubtful.as_ref()?) {
                return None;
            }
        }
        Some((path.clone(), false, Vec::new()))
    }

    /// Where something could say no to an action, or could fail to say anything; nothing when that is everywhere.
    fn doubtful(&mut self, action: ActionId, kind: ResourceKind) -> Option<BTreeSet<PathName>> {
        let words = &self.policies.words;
        let mut areas = BTreeSet::new();
        for rule in &self.policies.rules {
            self.looks += 1;
            let says_no = match rule.effect {
                Effect::Forbid => true,
                Effect::Permit => {
                    !is_unconditional(rule) && !narrow::never_errs(&rule.condition, kind, words)
                }
            };
            if !says_no || !rule.scope.names_action(action) {
                continue;
            }
            match narrow::reach(&rule.condition, kind, words) {
                Reach::All => return None,
                Reach::Only(found) => {
                    for area in found {
                        let (Area::Exactly(text) | Area::Beneath(text)) = area;
                        // What is no name of ours is nothing that is ever asked about.
                        match PathName::parse(&text) {
                            Ok(path) => drop(areas.insert(path)),
                            Err(_) if text.is_empty() => return None,
                            Err(_) => {}
                        }
                    }
                }
            }
        }
        Some(areas)
    }
}

fn is_unconditional(rule: &Rule) -> bool {
    // What a program was let do cannot be taken away with the link.
    rule.template.non_scope_constraints().is_none() && rule.link.is_none()
}

/// Whether the head of a rule is sure to match this principal.
fn is_for(rule: &Rule, principal: &str, words: &Vocabulary) -> bool {
    let user = words.principal(principal);
    match rule.template.principal_constraint().as_inner() {
        PrincipalOrResourceConstraint::Any => true,
        PrincipalOrResourceConstraint::Is(of) => **of == *words.user(),
        // A user is in nobody but itself.
        PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid))
        | PrincipalOrResourceConstraint::In(EntityReference::EUID(uid)) => **uid == user,
        PrincipalOrResourceConstraint::IsIn(of, EntityReference::EUID(uid)) => {
            **of == *words.user() && **uid == user
        }
        _ => false,
    }
}

/// Where the head of a rule matches; nothing when that is no place.
fn cover(rule: &Rule, words: &Vocabulary) -> Option<Cover> {
    let of_kind = |of: &cedar_policy_core::ast::EntityType| match of {
        of if of == words.kind(Dir) => Some(&[Dir][..]),
        of if of == words.kind(File) => Some(&[File][..]),
        _ => None,
    };
    let named = |reference: &EntityReference| match reference {
        EntityReference::EUID(uid) => {
            let text: &str = uid.eid().as_ref();
            // Nothing is asked about under a name in another spelling.
            let path = PathName::parse(text).ok().filter(|path| path.as_str() == text)?;
            let [kind] = of_kind(uid.entity_type())? else { return None };
            Some((path, *kind))
        }
        EntityReference::Slot(_) => None,
    };
    match rule.template.resource_constraint().as_inner() {
        PrincipalOrResourceConstraint::Any => Some(Cover::Tree(PathName::root(), BOTH)),
        PrincipalOrResourceConstraint::Is(of) => Some(Cover::Tree(PathName::root(), of_kind(of)?)),
        PrincipalOrResourceConstraint::Eq(reference) => {
            named(reference).map(|(path, kind)| Cover::One(path, kind))
        }
        PrincipalOrResourceConstraint::In(reference) => match named(reference)? {
            (path, Dir) => Some(Cover::Tree(path, BOTH)),
            (path, kind) => Some(Cover::One(path, kind)),
        },
        PrincipalOrResourceConstraint::IsIn(of, reference) => match (named(reference)?, of_kind(of)?) {
            ((path, Dir), kinds) => Some(Cover::Tree(path, kinds)),
            ((path, kind), [only]) if *only == kind => Some(Cover::One(path, kind)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;

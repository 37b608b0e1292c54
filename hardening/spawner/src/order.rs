//! What a spawner is told: the order, the texts that go with it, and the descriptors.
//!
//! Both ends are built together, so the layout is no promise to anybody else. What does not have it is refused.

use std::ops::{BitOr, BitOrAssign};

/// One program to be started; [`ORDER_BYTES`] on the socket. The texts are in a file of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// How it is confined.
    pub confinement: Confinement,
    /// The user it becomes; it stays what the broker is without one.
    pub user: Option<u32>,
    /// The group it becomes; it stays what the broker is without one.
    pub group: Option<u32>,
    /// The capabilities it keeps, one bit for each.
    pub capabilities: u64,
    /// How many descriptors it may have open.
    pub open_files: u64,
    /// How many processes it may be at one time.
    pub processes: u64,
    /// Whether names may be changed where they may be made and removed.
    pub may_rename: bool,
    /// Whether it may make sockets of the host's own, because some were named for it. Only confined programs do.
    pub may_connect: bool,
    /// What it gets beside its standard descriptors.
    pub handed: Handed,
}

/// What a program gets beside its standard descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Nothing.
    Nothing,
    /// It is an interpreter, and its script is descriptor 3.
    Script,
    /// Two files that it reads are descriptors 3 and 4.
    Files,
}

/// How far a program is kept from what the policy does not permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// By a root of its own with only what it may reach, by Landlock and by a filter.
    Confined,
    /// By Landlock and by a filter: what these do not cover stays in sight.
    Approximate,
    /// Not at all, as in Rex.
    Unconfined,
    /// As approximately, among the processes of the host: for one of its own programs that sets what belongs to all of them.
    Host,
}

impl Confinement {
    /// As it is written on the command line and in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confined => "confined",
            Self::Approximate => "approximate",
            Self::Unconfined => "unconfined",
            Self::Host => "host",
        }
    }

    /// Whether its processes are in a namespace of their own, with the end of which they end.
    pub const fn has_own_processes(self) -> bool {
        matches!(self, Self::Confined | Self::Approximate)
    }
}

/// The bytes of an order on the socket.
pub const ORDER_BYTES: usize = WORDS * 8;
const WORDS: usize = 9;
const NOBODY: u64 = u64::MAX;

impl Order {
    /// As it goes over the socket.
    pub fn to_bytes(&self) -> [u8; ORDER_BYTES] {
        let id = |id: Option<u32>| id.map_or(NOBODY, u64::from);
        let words: [u64; WORDS] = [
            self.confinement as u64,
            id(self.user),
            id(self.group),
            self.capabilities,
            self.open_files,
            self.processes,
            self.may_rename.into(),
            self.may_connect.into(),
            self.handed as u64,
        ];
        let mut bytes = [0; ORDER_BYTES];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// What these bytes say; nothing when they say nothing that an order can.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ORDER_BYTES] = bytes.try_into().ok()?;
        let mut words = [0; WORDS];
        for (word, slot) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(slot.try_into().ok()?);
        }
        let [confinement, user, group, capabilities, open_files, processes, may_rename, may_connect, handed] =
            words;
        let id = |word: u64| match word {
            NOBODY => Some(None),
            word => u32::try_from(word).ok().map(Some),
        };
        let flag = |word: u64| match word {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        Some(Self {
            confinement: match confinement {
                0 => Confinement::Confined,
                1 => Confinement::Approximate,
                2 => Confinement::Unconfined,
                3 => Confinement::Host,
                _ => return None,
            },
            user: id(user)?,
            group: id(group)?,
            capabilities,
            open_files,
            processes,
            may_rename: flag(may_rename)?,
            may_connect: flag(may_connect)?,
            handed: match handed {
                0 => Handed::Nothing,
                1 => Handed::Script,
                2 => Handed::Files,
                _ => return None,
            },
        })
    }
}

/// What may be done at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Files may be read.
    pub const READ: Self = Self(1);
    /// Directories may be listed.
    pub const LIST: Self = Self(1 << 1);
    /// What is in files may be changed.
    pub const WRITE: Self = Self(1 << 2);
    /// Files and links may be made.
    pub const MAKE_FILES: Self = Self(1 << 3);
    /// Directories may be made.
    pub const MAKE_DIRECTORIES: Self = Self(1 << 4);
    /// Files and links may be removed.
    pub const REMOVE_FILES: Self = Self(1 << 5);
    /// Directories may be removed.
    pub const REMOVE_DIRECTORIES: Self = Self(1 << 6);
    /// Files may be executed.
    pub const EXECUTE: Self = Self(1 << 7);
    /// Code may be mapped from files, which is what loading a library is; that is no right to execute one.
    pub const MAP: Self = Self(1 << 8);
    /// It is one of the harmless devices.
    pub const DEVICE: Self = Self(1 << 9);

    /// Whether all of these are among them.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether something may be changed.
    pub const fn change_something(self) -> bool {
        const CHANGES: u32 = Rights::WRITE.0
            | Rights::MAKE_FILES.0
            | Rights::MAKE_DIRECTORIES.0
            | Rights::REMOVE_FILES.0
            | Rights::REMOVE_DIRECTORIES.0;
        self.0 & CHANGES != 0
    }

    /// Those of these that are among them.
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without those.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const ALL: u32 = (1 << 10) - 1;
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A place that a program sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it stands, from `/`.
    pub path: Vec<u8>,
    /// What it is.
    pub what: Thing,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A directory, or something that is none; a descriptor comes with it.
    Object {
        /// Whether it is a directory.
        is_directory: bool,
        /// What may be done there.
        rights: Rights,
    },
    /// A link, made anew; what it leads to.
    Link(Vec<u8>),
}

/// The texts of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The arguments, the name of the program included.
    pub arguments: Vec<Vec<u8>>,
    /// The variables, as `name=value`.
    pub environment: Vec<Vec<u8>>,
    /// The places, each before what lies below it. Those that are objects have their descriptors in this order.
    pub places: Vec<Place>,
}

impl Text {
    /// As it stands in the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let text = |bytes: &mut Vec<u8>, text: &[u8]| {
            number(bytes, text.len());
            bytes.extend_from_slice(text);
        };
        for list in [&self.arguments, &self.environment] {
            number(&mut bytes, list.len());
            list.iter().for_each(|word| text(&mut bytes, word));
        }
        number(&mut bytes, self.places.len());
        for place in &self.places {
            text(&mut bytes, &place.path);
            match &place.what {
                Thing::Link(target) => {
                    bytes.push(0);
                    text(&mut bytes, target);
                }
                Thing::Object { is_directory, rights } => {
                    bytes.push(if *is_directory { 2 } else { 1 });
                    bytes.extend_from_slice(&rights.0.to_le_bytes());
                }
            }
        }
        bytes
    }

    /// What these bytes say; nothing when they are not what [`Self::to_bytes`] makes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let arguments = reader.texts()?;
        let environment = reader.texts()?;
        let count = reader.number()?;
        let mut places = Vec::new();
        for _ in 0..count {
            let path = reader.text()?;
            let what = match reader.take(1)? {
                [0] => Thing::Link(reader.text()?),
                [kind @ (1 | 2)] => {
                    let bits = u32::from_le_bytes(reader.take(4)?.try_into().ok()?);
                    (bits & !Rights::ALL == 0)
                        .then_some(Thing::Object { is_directory: *kind == 2, rights: Rights(bits) })?
                }
                _ => return None,
            };
            places.push(Place { path, what });
        }
        reader.0.is_empty().then_some(Self { arguments, environment, places })
    }
}

fn number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    /// A text without a zero byte, which would end it for the kernel.
    fn text(&mut self) -> Option<Vec<u8>> {
        let length = self.number()?;
        let text = self.take(length)?;
        (!text.contains(&0)).then(|| text.to_vec())
    }

    fn texts(&mut self) -> Option<Vec<Vec<u8>>> {
        let count = self.number()?;
        (0..count).map(|_| self.text()).collect()
    }
}

/// The descriptors that come with every order, before those of the places, in this order. Without anything that is handed,
/// its place is taken by the program once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The texts.
    Text,
    /// What is executed.
    Program,
    /// What it interprets, or the first file that it reads.
    Third,
    /// The second file that it reads.
    Fourth,
    /// Its standard input.
    Input,
    /// Its standard output.
    Output,
    /// Its standard error.
    Error,
    /// Where the keeper says what became of it.
    Report,
    /// Closed by the broker when it is to end.
    Lifeline,
}

/// How many descriptors come with every order.
pub const GIVEN: usize = 9;
/// How many places with a descriptor an order can have: what one message carries, less the others.
pub const MAX_PLACES: usize = 253 - GIVEN;

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            confinement: Confinement::Approximate,
            user: Some(1),
            group: None,
            capabilities: 1 << 40,
            open_files: 1024,
            processes: 512,
            may_rename: true,
            may_connect: false,
            handed: Handed::Files,
        }
    }

    #[test]
    fn an_order_arrives_as_it_was_given_and_nothing_else_is_one() {
        let bytes = order().to_bytes();

        assert_eq!(Order::from_bytes(&bytes), Some(order()));
        assert_eq!(Order::from_bytes(&bytes[1..]), None);
        for (at, wrong) in [(0, 4), (13, 1), (48, 2), (56, 2), (64, 3)] {
            let mut damaged = bytes;
            damaged[at] = wrong;
            assert_eq!(Order::from_bytes(&damaged), None, "byte {at}");
        }
    }

    #[test]
    fn texts_arrive_as_they_were_given_and_damaged_ones_are_refused() {
        let text = Text {
            arguments: vec![b"uname".to_vec(), Vec::new()],
            environment: vec![b"A=1".to_vec()],
            places: vec![
                Place { path: b"/lib".to_vec(), what: Thing::Link(b"usr/lib".to_vec()) },
                Place {
                    path: b"/srv".to_vec(),
                    what: Thing::Object { is_directory: true, rights: Rights::READ | Rights::LIST },
                },
            ],
        };
        let bytes = text.to_bytes();

        assert_eq!(Text::from_bytes(&bytes), Some(text));
        for length in 0..bytes.len() {
            assert_eq!(Text::from_bytes(&bytes[..length]), None, "{length} bytes");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Text::from_bytes(&longer), None);
        // A zero byte would end an argument before the policy's idea of it does.
        let zero = Text { arguments: vec![b"a\0b".to_vec()], ..Text::default() };
        assert_eq!(Text::from_bytes(&zero.to_bytes()), None);
    }
}

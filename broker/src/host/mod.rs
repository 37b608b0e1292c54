//! What the broker acts on: the objects of the host, the handles that name them, and the system calls.

pub mod believed;
pub mod dictionary;
pub mod file_system;
pub mod handles;
pub mod network;
pub mod own_processes;
pub mod principal;
pub mod process_system;
pub mod programs;
pub mod sysinfo;
pub mod systemd;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;

use rex_spawner::Confinement;

use crate::gate::Inode;
use crate::gate::error::Error;
use crate::gate::forbidden::DICTIONARY_PATH;
use dictionary::Dictionary;
use file_system::object::Directory;
use file_system::tools::Tools;
use file_system::unguarded;
use file_system::walk::Reached;
use handles::Handles;
use network::inside::Inside;
use network::object::Network;
use own_processes::OwnProcesses;
use programs::object::Programs;
use sysinfo::sources::Sources;
use systemd::object::Services;

/// What operations act with: the places that every walk begins at, and what is held open for the jail.
pub struct Host {
    /// The objects that the jail has open.
    pub handles: Handles,
    /// What every act on files needs beside its object.
    pub tools: Rc<Tools>,
    /// The bits of a mode that nothing gets which the broker makes.
    pub umask: u32,
    /// The effective user id of the broker.
    pub euid: u32,
    /// Whether a file with several hard links may be opened wherever it lies.
    pub hard_links: bool,
    /// Directories of which a script took away that others may make names in them, in this run.
    pub once_shared: HashSet<Inode>,
    /// What was made without its mode, as far as the log has told it.
    pub without_mode: HashSet<String>,
    /// The kernel's tables that are being read in parts.
    pub sources: Sources,
    /// How the manager of services is reached.
    pub services: Services,
    /// What is known of names, and the exchange with a server that is open.
    pub network: Network,
    /// How programs are started, and the one that runs.
    pub programs: Programs,
    /// The numbers of the processes that a walk of several pages goes through.
    listed_processes: Vec<u32>,
    /// Broker and jail, which no `/proc` shows to a script.
    own_processes: OwnProcesses,
    dictionary: Option<Rc<Dictionary>>,
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
}

impl Host {
    /// Opens `/` and `/proc/self/fd`, which are held for the whole run.
    ///
    /// # Errors
    /// Those of open(2); without `/proc` no object can be opened for use.
    pub fn open(max_open_handles: u64) -> io::Result<Self> {
        let tools = Tools::open()?;
        let network = Network::default();
        let own_processes = OwnProcesses::new(tools.own_fds(), network.workers())?;
        Ok(Self {
            handles: Handles::new(usize::try_from(max_open_handles).unwrap_or(usize::MAX)),
            tools: Rc::new(tools),
            umask: own_processes.umask(),
            euid: nix::unistd::geteuid().as_raw(),
            hard_links: false,
            once_shared: HashSet::new(),
            without_mode: HashSet::new(),
            sources: Sources::default(),
            services: Services::default(),
            network,
            programs: Programs::default(),
            listed_processes: Vec::new(),
            own_processes,
            dictionary: None,
            users: HashMap::new(),
            groups: HashMap::new(),
        })
    }

    /// Has connections and tables be those of another network namespace from now on, or of the broker's. Tables that are read in
    /// parts begin anew.
    pub fn enter(&mut self, inside: Option<Inside>) {
        self.network.inside = inside;
        self.sources = Sources::default();
    }

    /// Notes a process of this run, by its number in the broker's own namespace: no `/proc` shows it to a script. Says
    /// whether it has the same number in the `/proc` of this host.
    pub fn hide_process(&mut self, pid: u32) -> bool {
        self.own_processes.add(pid);
        self.own_processes.are_numbered_as_here()
    }

    /// Whether this object is an entry of a `/proc`, wherever that is mounted, which shows a process of the run.
    pub fn shows_broker<A>(&self, reached: &Reached<'_, A>) -> bool {
        self.own_processes.are_shown_by(reached.fd(), reached.stat(), self.tools.own_fds())
    }

    /// Whether this name in an open directory is the link by which a `/proc` tells the broker its own number.
    pub fn is_link_to_broker(&self, directory: &Directory, name: &[u8]) -> bool {
        (name == b"self" || name == b"thread-self")
            && unguarded::status_of(directory)
                .map_or(true, |stat| self.own_processes.is_in_proc(directory.fd.as_fd(), &stat))
    }

    /// The `/proc` through which processes are looked at. For this layer.
    fn proc_root(&self) -> BorrowedFd<'_> {
        self.own_processes.root()
    }

    /// Whether the `status` of a task, as [`Self::proc_root`] has it, is that of a process of this run. What cannot be told
    /// counts as one.
    fn is_of_run(&self, status: &str) -> bool {
        self.own_processes.include_status(status)
    }

    /// The redaction dictionary, read once under the broker's own authority.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn dictionary(&mut self) -> Result<Rc<Dictionary>, Error> {
        if let Some(dictionary) = &self.dictionary {
            return Ok(Rc::clone(dictionary));
        }
        let dictionary = Rc::new(Dictionary::load(Path::new(DICTIONARY_PATH))?);
        self.dictionary = Some(Rc::clone(&dictionary));
        Ok(dictionary)
    }

    /// The name of a user; looked up once.
    pub fn user_name(&mut self, uid: u32) -> Option<String> {
        self.users.entry(uid).or_insert_with(|| unguarded::user_name(uid)).clone()
    }

    /// The name of a group; looked up once.
    pub fn group_name(&mut self, gid: u32) -> Option<String> {
        self.groups.entry(gid).or_insert_with(|| unguarded::group_name(gid)).clone()
    }
}

/// What to do with files that may have a second name elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardLinks {
    /// Refuse a file with several names when somebody else could have made one of them.
    #[default]
    Refuse,
    /// Judge it by the name it was opened by.
    Allow,
}

/// How far executed programs are kept from what the policy does not permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Children {
    /// They see nothing but what the policy permits whole.
    #[default]
    Confined,
    /// They are kept from the content of other files, and see that these are there.
    Approximate,
    /// They may do whatever their user may.
    Unconfined,
}

impl Children {
    /// As it is written on the command line and in the record.
    pub const fn name(self) -> &'static str {
        self.confinement().name()
    }

    /// What the spawner is told.
    pub const fn confinement(self) -> Confinement {
        match self {
            Self::Confined => Confinement::Confined,
            Self::Approximate => Confinement::Approximate,
            Self::Unconfined => Confinement::Unconfined,
        }
    }
}

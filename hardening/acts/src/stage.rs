//! What the acts need to find: System V objects and a key.

use crate::call::{Errno, call, input, length, number, text};

/// System V shared memory, message queue and semaphore of one name; removed when dropped.
#[derive(Debug)]
pub struct SystemV {
    shared_memory: i64,
    queue: i64,
    semaphores: i64,
}

impl SystemV {
    /// Makes the three objects, open to everybody.
    ///
    /// # Errors
    /// The errno of the first call that failed.
    pub fn create(key: i32) -> Result<Self, Errno> {
        let flags = number(libc::IPC_CREAT | 0o666);
        let shared_memory = call(libc::SYS_shmget, &[number(key), number(4096), flags])? as i64;
        let queue = call(libc::SYS_msgget, &[number(key), flags])? as i64;
        let semaphores = call(libc::SYS_semget, &[number(key), number(1), flags])? as i64;
        Ok(Self { shared_memory, queue, semaphores })
    }
}

impl Drop for SystemV {
    fn drop(&mut self) {
        let (remove, none) = (number(libc::IPC_RMID), number(0));
        // What cannot be removed stays until the machine restarts; there is nobody to tell.
        let _ = call(libc::SYS_shmctl, &[number(self.shared_memory), remove, none]);
        let _ = call(libc::SYS_msgctl, &[number(self.queue), remove, none]);
        let _ = call(libc::SYS_semctl, &[number(self.semaphores), none, remove, none]);
    }
}

/// A key that the acts look for; gone from the user keyring when dropped.
#[derive(Debug)]
pub struct Key(i32);

impl Key {
    /// Puts a key into a new session keyring of this thread and into the user keyring.
    ///
    /// Whoever is started by this thread inherits the session keyring.
    ///
    /// # Errors
    /// The errno of the first call that failed.
    pub fn add() -> Result<Self, Errno> {
        call(libc::SYS_keyctl, &[number(JOIN_SESSION_KEYRING), number(0)])?;
        let secret = *b"secret";
        let (kind, name) = (text(c"user"), text(c"rex-containment"));
        let session = number(SESSION_KEYRING);
        let key = call(libc::SYS_add_key, &[kind, name, input(&secret), length(&secret), session])? as i32;
        call(libc::SYS_keyctl, &[number(LINK), number(key), number(USER_KEYRING)])?;
        Ok(Self(key))
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // A key that cannot be unlinked stays until its user has logged out; there is nobody to tell.
        let _ = call(libc::SYS_keyctl, &[number(UNLINK), number(self.0), number(USER_KEYRING)]);
    }
}

const JOIN_SESSION_KEYRING: i32 = 1;
const LINK: i32 = 8;
const UNLINK: i32 = 9;
const SESSION_KEYRING: i32 = -3;
const USER_KEYRING: i32 = -4;

//! Keys of the kernel.

use super::{Act, Class, act, root_act};
use crate::call::{input, length, number, output, succeeds, text};

pub(super) const ACTS: &[Act] = &[
    act("read_key", Class::Keyring, |targets| {
        let mut secret = [0_u8; 64];
        let room = length(&secret);
        succeeds(libc::SYS_keyctl, &[number(READ), number(targets.key), output(&mut secret), room])
    }),
    // keyctl(2): by default a user may see the descriptions of all its keys; only root's jail is another user.
    root_act("describe_key", Class::Keyring, |targets| {
        let mut description = [0_u8; 128];
        let room = length(&description);
        let key = number(targets.key);
        succeeds(libc::SYS_keyctl, &[number(DESCRIBE), key, output(&mut description), room])
    }),
    act("search_user_keyring", Class::Keyring, |_| {
        let (kind, name) = (text(c"user"), text(KEY_NAME));
        succeeds(libc::SYS_keyctl, &[number(SEARCH), number(USER_KEYRING), kind, name, number(0)])
    }),
    act("request_key", Class::Keyring, |_| {
        let none = number(0);
        succeeds(libc::SYS_request_key, &[text(c"user"), text(KEY_NAME), none, none])
    }),
    act("add_key_to_session", Class::Keyring, |_| {
        let secret = [0_u8; 8];
        let (kind, name) = (text(c"user"), text(c"rex-containment-new"));
        let keyring = number(SESSION_KEYRING);
        succeeds(libc::SYS_add_key, &[kind, name, input(&secret), length(&secret), keyring])
    }),
];

/// The key that the test has put into the user keyring, which the session keyring links to.
const KEY_NAME: &std::ffi::CStr = c"rex-containment";
const DESCRIBE: i32 = 6;
const SEARCH: i32 = 10;
const READ: i32 = 11;
const SESSION_KEYRING: i32 = -3;
const USER_KEYRING: i32 = -4;

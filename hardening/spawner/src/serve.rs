//! What the spawner does with its life: takes an order, forks its keeper, takes the next one.

use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno as Number;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use rex_agreed::calls::{Errno, Prctl, prctl, reset_signals};

use crate::confine::Program;
use crate::keep::{Ends, keep};
use crate::order::{Confinement, GIVEN, MAX_PLACES, ORDER_BYTES, Order, Text, Thing};
use crate::report::{Event, Step};
use crate::{calls, mounts};

/// Takes orders on the socket that is its standard input, until the broker is gone.
///
/// # Errors
/// Those of setting itself up, and of what is no order: whoever sends one is not the broker this was built with.
pub fn serve() -> io::Result<()> {
    reset_signals();
    let number = io::Error::from_raw_os_error;
    // Those of a terminal are for the broker to heed; its end is the end of this process.
    nix::sys::signal::SigSet::all().thread_block()?;
    prctl(Prctl::SetDeathSignal, [Signal::SIGKILL as u64, 0, 0, 0]).map_err(number)?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    calls::close_from_at_exec(0).map_err(number)?;
    close_inherited(&socket)?;
    if nix::unistd::geteuid().is_root() {
        // Others of an ordinary user can do to the broker what they could do to this, and it has to write maps.
        prctl(Prctl::SetDumpable, [0, 0, 0, 0]).map_err(number)?;
    }
    // Keepers are waited for by nobody: what they have to say goes over their pipes.
    ignore_children()?;
    // Held by this process alone, and closed by its end.
    let (alive, held) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    loop {
        let Some((order, descriptors)) = receive(socket.as_fd())? else { return Ok(()) };
        take(order, descriptors, &alive, &held, &socket)?;
    }
}

/// Closes what the broker's caller has left open; its standard descriptors are not for this process either.
fn close_inherited(socket: &OwnedFd) -> io::Result<()> {
    let own = socket.as_raw_fd();
    let last = libc::c_uint::MAX;
    let close = |first: u32, last: u32| match first > last {
        true => Ok(()),
        false => rex_agreed::calls::close_range(first, last).map_err(io::Error::from_raw_os_error),
    };
    close(0, own as u32 - 1)?;
    close(own as u32 + 1, last)?;
    // 0 to 2 stay taken, so that nothing which is opened later is mistaken for one of them.
    for _ in 0..3 {
        let null =
            nix::fcntl::open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
        match null.as_raw_fd() {
            0..3 => std::mem::forget(null),
            _ => break,
        }
    }
    Ok(())
}

fn ignore_children() -> io::Result<()> {
    // JUSTIFICATION: nix calls every change of a disposition unsafe, because a handler may do anything.
    // SAFETY: there is no handler: the signal is ignored.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    Ok(())
}

/// The next order with its descriptors; nothing when the broker is gone.
fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Order, Vec<OwnedFd>)>> {
    let mut bytes = [0; ORDER_BYTES + 1];
    let mut space = cmsg_space!([RawFd; GIVEN + MAX_PLACES]);
    loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received =
            recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
        let message = match received {
            Ok(message) => message,
            Err(Number::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let mut descriptors = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = control {
                descriptors.extend(calls::adopt(&numbers));
            }
        }
        let count = message.bytes;
        let is_cut = message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
        if count == 0 && descriptors.is_empty() {
            return Ok(None);
        }
        let order = Order::from_bytes(bytes.get(..count).unwrap_or_default());
        return match order {
            Some(order) if !is_cut && descriptors.len() >= GIVEN => Ok(Some((order, descriptors))),
            _ => Err(Number::EBADMSG.into()),
        };
    }
}

/// Starts what was ordered. What fails is said where the broker reads about this program.
fn take(
    order: Order,
    descriptors: Vec<OwnedFd>,
    alive: &OwnedFd,
    held: &OwnedFd,
    socket: &OwnedFd,
) -> io::Result<()> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or_else(|| io::Error::from(Number::EBADMSG));
    let text = File::from(next()?);
    let (file, handed) = (next()?, [next()?, next()?]);
    let standard = [next()?, next()?, next()?];
    let mut report = File::from(next()?);
    let lifeline = next()?;
    let objects: Vec<OwnedFd> = descriptors.collect();
    let text = read(text)?;
    let count = text.places.iter().filter(|place| matches!(place.what, Thing::Object { .. })).count();
    if count != objects.len() {
        return Err(Number::EBADMSG.into());
    }
    let fail = |report: &mut File, errno: Errno| {
        // A broker that does not read it sees the end of the pipe.
        drop(report.write_all(&Event::Failed(Step::Namespaces, errno).to_bytes()));
    };
    let copies = match order.confinement {
        Confinement::Confined => match mounts::copies(&text.places, &objects) {
            Ok(copies) => copies,
            Err(errno) => {
                drop(report.write_all(&Event::Failed(Step::Root, errno).to_bytes()));
                return Ok(());
            }
        },
        _ => Vec::new(),
    };
    let spawner = alive.try_clone()?;
    let (released, release) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let program = Program { order, text, file, handed, standard, objects };
    match calls::fork(namespaces(order.confinement)) {
        Ok(0) => {
            // Of the spawner's own ends the keeper has none: the one tells it of the spawner, the other is the broker's.
            for own in [held.as_raw_fd(), socket.as_raw_fd()] {
                let _was_open = rex_agreed::calls::close_range(own as u32, own as u32);
            }
            if !is_released(released, release) {
                calls::exit(1);
            }
            keep(program, &copies, Ends { lifeline, spawner, report })
        }
        Ok(keeper) => {
            let mapped = match namespaces(order.confinement) & libc::CLONE_NEWUSER as u64 {
                0 => Ok(()),
                _ => map_own(keeper),
            };
            match mapped {
                // A keeper that is gone already has said so, or nobody hears it.
                Ok(()) => drop(File::from(release).write_all(&[1])),
                Err(error) => fail(&mut report, mounts::number_of(error)),
            }
        }
        Err(errno) => fail(&mut report, errno),
    }
    Ok(())
}

/// Waits until the maps of this user namespace are written; the end of the spawner means that of the keeper.
fn is_released(released: OwnedFd, release: OwnedFd) -> bool {
    drop(release);
    let mut byte = [0];
    File::from(released).read_exact(&mut byte).is_ok()
}

/// Maps the user and the group of this process, each to itself, in the new user namespace of a child.
///
/// # Source
/// user_namespaces(7): a caller without `CAP_SETGID` must deny setgroups first.
fn map_own(child: i32) -> io::Result<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    fs::write(format!("/proc/{child}/setgroups"), "deny")?;
    fs::write(format!("/proc/{child}/gid_map"), format!("{group} {group} 1\n"))?;
    fs::write(format!("/proc/{child}/uid_map"), format!("{user} {user} 1\n"))
}

/// An ordinary user gets namespaces only in a user namespace of its own, in which nothing but its user is mapped.
fn own_users() -> i32 {
    if nix::unistd::geteuid().is_root() { 0 } else { libc::CLONE_NEWUSER }
}

fn read(mut file: File) -> io::Result<Text> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Text::from_bytes(&bytes).ok_or_else(|| Number::EBADMSG.into())
}

/// The namespaces that a program gets.
fn namespaces(confinement: Confinement) -> u64 {
    let flags = match confinement {
        Confinement::Confined => {
            libc::CLONE_NEWPID
                | libc::CLONE_NEWNS
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWCGROUP
                | own_users()
        }
        Confinement::Approximate => libc::CLONE_NEWPID | own_users(),
        Confinement::Unconfined | Confinement::Host => 0,
    };
    flags as u64
}

//! What the bare system calls cost on this machine at this moment: the floor that `tests/compare/compare.py` compares
//! with. Prints one JSON object, in nanoseconds for each time it does something.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [small, large, directory, many, tree] = arguments.as_slice() else {
        eprintln!("usage: raw_calls SMALL_FILE LARGE_FILE DIRECTORY LARGE_DIRECTORY TREE");
        std::process::exit(64);
    };
    let small_ns = each(2_000, || read_small(Path::new(small)));
    let large_ns = each(1, || read_large(Path::new(large)));
    let list = |directory: &str| fs::read_dir(directory).expect("the directory is there").count();
    let listing_ns = each(10, || list(directory));
    let many_ns = each(2, || list(many));
    let walk_ns = each(2, || walk(Path::new(tree)));
    let exchange_ns = exchange(2_000);
    println!(
        "{{\"small_ns\":{small_ns},\"large_ns\":{large_ns},\"listing_ns\":{listing_ns},\"many_ns\":{many_ns},\
         \"walk_ns\":{walk_ns},\"exchange_ns\":{exchange_ns}}}"
    );
}

/// The mean of so many times.
fn each<T>(times: u32, mut act: impl FnMut() -> T) -> u128 {
    act();
    let begun = Instant::now();
    for _ in 0..times {
        std::hint::black_box(act());
    }
    begun.elapsed().as_nanos() / u128::from(times)
}

/// Lists each directory, and looks at each entry that is none.
fn walk(directory: &Path) -> u64 {
    let entries =
        fs::read_dir(directory).expect("the directory is there").map(|entry| entry.expect("it goes on"));
    entries
        .map(|entry| match entry.file_type().expect("the listing says it").is_dir() {
            true => walk(&entry.path()),
            false => entry.metadata().expect("the entry is there").len(),
        })
        .sum()
}

/// open, fstat, read, close.
fn read_small(path: &Path) -> usize {
    let mut buffer = [0; 4096];
    let mut file = File::open(path).expect("the file is there");
    file.metadata().expect("the file is open");
    file.read(&mut buffer).expect("the file can be read")
}

/// One open and as many reads as it takes, into memory that is used again.
fn read_large(path: &Path) -> usize {
    let mut buffer = vec![0; 60 * 1024];
    let mut file = File::open(path).expect("the file is there");
    let mut total = 0;
    loop {
        match file.read(&mut buffer).expect("the file can be read") {
            0 => return total,
            count => total += count,
        }
    }
}

/// One datagram there and one back, between two threads that wait for each other.
fn exchange(times: u32) -> u128 {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .expect("a socket pair can be had");
    let echo = std::thread::spawn(move || while pass_on(&theirs) {});
    let cost = each(times, || {
        send(ours.as_raw_fd(), &[1; 64], MsgFlags::empty()).expect("the other thread is there");
        recv(ours.as_raw_fd(), &mut [0; 64], MsgFlags::empty()).expect("the other thread answers")
    });
    drop(ours);
    echo.join().expect("the other thread ends");
    cost
}

fn pass_on(socket: &OwnedFd) -> bool {
    let mut buffer = [0; 64];
    let received = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap_or(0);
    received > 0 && send(socket.as_raw_fd(), &buffer, MsgFlags::empty()).is_ok()
}

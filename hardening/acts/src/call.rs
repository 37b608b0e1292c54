//! One system call of any kind, from an ordinary place in the program.

use std::ffi::{CStr, c_long};
use std::marker::PhantomData;

/// What a call answers when it fails.
pub type Errno = i32;

/// One argument: a number, or memory that is borrowed until the call is over.
#[derive(Clone, Copy)]
pub(crate) struct Word<'a>(usize, PhantomData<&'a ()>);

/// A number, a flag set, a descriptor; widened with its sign, as the kernel wants it.
pub(crate) fn number(value: impl Into<i64>) -> Word<'static> {
    Word(value.into() as usize, PhantomData)
}

/// An address that the act has mapped itself, or means to be refused.
pub(crate) fn address(value: usize) -> Word<'static> {
    Word(value, PhantomData)
}

/// A text that ends with a zero byte.
pub(crate) fn text(value: &CStr) -> Word<'_> {
    Word(value.as_ptr() as usize, PhantomData)
}

/// Memory that the kernel reads.
pub(crate) fn input<T: ?Sized>(value: &T) -> Word<'_> {
    Word((&raw const *value).cast::<u8>() as usize, PhantomData)
}

/// Memory that the kernel writes.
pub(crate) fn output<T: ?Sized>(value: &mut T) -> Word<'_> {
    Word((&raw mut *value).cast::<u8>() as usize, PhantomData)
}

/// The length of what [`input`] or [`output`] points to.
pub(crate) fn length<T: ?Sized>(value: &T) -> Word<'static> {
    Word(size_of_val(value), PhantomData)
}

/// Makes a system call.
///
/// Private to this package, whose callers pass memory only where the kernel takes it and with its length. Calls that change
/// the caller's own memory are made by `acts/memory.rs` alone, about pages that nobody uses.
pub(crate) fn call(call: c_long, arguments: &[Word<'_>]) -> Result<usize, Errno> {
    let mut words = [0; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = argument.0;
    }
    let [first, second, third, fourth, fifth, sixth] = words;
    // JUSTIFICATION: what a jail must not do includes calls that no crate wraps.
    // SAFETY: memory is borrowed for the time of the call, and the callers pass its true length.
    let status = unsafe { libc::syscall(call, first, second, third, fourth, fifth, sixth) };
    if status == -1 {
        return Err(last_errno());
    }
    Ok(status as usize)
}

/// As `call`, for calls of which only the success matters.
pub(crate) fn succeeds(number: c_long, arguments: &[Word<'_>]) -> Result<(), Errno> {
    call(number, arguments).map(drop)
}

fn last_errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

//! The jail's program as a memory file that nobody can change any more.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use rex_agreed::Layer;

use crate::measure::{Measure, State};

/// A program in sealed memory, opened for reading; made once and used for every jail.
///
/// There is no file on disk to trust or to replace, and no way back to the broker's own file. There is no fallback: where
/// the host forbids programs in memory files, no jail is started.
#[derive(Debug)]
pub struct SealedImage {
    file: OwnedFd,
    is_exec_sealed: bool,
}

impl SealedImage {
    /// Fills and seals a memory file with `program`, a static executable.
    ///
    /// # Errors
    /// [`ImageError::Forbidden`] when `vm.memfd_noexec` forbids it, otherwise the call that failed.
    ///
    /// # Source
    /// memfd_create(2), fcntl(2).
    pub fn new(program: &[u8]) -> Result<Self, ImageError> {
        let (writable, is_exec_sealed) = create()?;
        let mut writable = std::fs::File::from(writable);
        writable.write_all(program).map_err(|error| ImageError::Call("write the image", error))?;

        let mut seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        if is_exec_sealed {
            seals |= SealFlag::from_bits_retain(libc::F_SEAL_EXEC);
        }
        seals |= SealFlag::F_SEAL_SEAL;
        fcntl(&writable, FcntlArg::F_ADD_SEALS(seals))
            .map_err(|errno| ImageError::Call("seal the image", errno.into()))?;

        // A file that is open for writing somewhere cannot be executed, so the writable descriptor has to go.
        let path = format!("/proc/self/fd/{}", writable.as_raw_fd());
        let file = open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| ImageError::Call("reopen the image", errno.into()))?;
        Ok(Self { file, is_exec_sealed })
    }

    /// The open file.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What the report says about the image.
    pub(crate) fn measure(&self) -> Measure {
        match self.is_exec_sealed {
            true => Measure::new(
                Layer::Image,
                State::Enforced,
                "memory file sealed against writing, resizing and changes of mode",
            ),
            false => Measure::new(
                Layer::Image,
                State::Degraded,
                "memory file sealed against writing and resizing; this kernel has no seal for the mode",
            ),
        }
    }
}

/// Why there is no image.
#[derive(Debug)]
pub enum ImageError {
    /// The host forbids programs in memory files.
    Forbidden,
    /// What could not be done, and why.
    Call(&'static str, io::Error),
}

impl fmt::Display for ImageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden => write!(
                formatter,
                "cannot create the image: sysctl vm.memfd_noexec is 2; the jail needs 0 or 1"
            ),
            Self::Call(what, error) => write!(formatter, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Forbidden => None,
            Self::Call(_, error) => Some(error),
        }
    }
}

/// A memory file that may be executed, and whether its mode can be sealed.
fn create() -> Result<(OwnedFd, bool), ImageError> {
    let sealable = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let executable = sealable | MFdFlags::from_bits_retain(MFD_EXEC);
    match memfd_create("rex-jail", executable) {
        Ok(file) => Ok((file, true)),
        // Before 6.3 the flag is unknown, and every memory file may be executed.
        Err(Errno::EINVAL) => memfd_create("rex-jail", sealable)
            .map(|file| (file, false))
            .map_err(|errno| ImageError::Call("create the image", errno.into())),
        Err(Errno::EACCES) => Err(ImageError::Forbidden),
        Err(errno) => Err(ImageError::Call("create the image", errno.into())),
    }
}

/// `linux/memfd.h`; libc has it for some C libraries only.
const MFD_EXEC: libc::c_uint = 0x0010;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_image_can_be_read_and_not_written() {
        let image = SealedImage::new(b"program").unwrap();
        let path = format!("/proc/self/fd/{}", image.as_fd().as_raw_fd());

        let bytes = std::fs::read(&path).unwrap();
        let writable = std::fs::OpenOptions::new().write(true).open(&path);
        let truncated = std::fs::File::from(image.as_fd().try_clone_to_owned().unwrap()).set_len(0);

        assert_eq!(bytes, b"program");
        // Root may open it for writing; the seals refuse the write itself.
        if let Ok(mut file) = writable {
            assert!(file.write_all(b"other").is_err());
        }
        assert!(truncated.is_err());
    }
}

//! Part of one of the kernel's tables.
//!
//! # Policy
//! What `rex_ipc::sysinfo::Source` says of each: `file_system::read` on the file, for some before that `file_system::open` on
//! it, or on what leads to it. Within a network namespace its tables have names of their own, but for a script of Rex.

use std::io;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Open, Read};
use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::Chunk;
use rex_ipc::limits::MAX_CHUNK_BYTES;
use rex_ipc::sysinfo::{ReadSource, Source};

use crate::gate::error::Error;
use crate::host::Host;
use crate::host::file_system::object::{DirPath, FilePath};
use crate::host::sysinfo::object::{Table, TableInside};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for ReadSource {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        if Table(self.source).is_of_network() {
            // Within a network namespace it has another name.
            return None;
        }
        for opened in opened(self.source) {
            ahead.ask::<Open>(&match opened {
                Opened::Dir(path) => Place::dir(PathName::parse(path).ok()?),
                Opened::File(path) => Place::file(PathName::parse(path).ok()?),
            });
        }
        ahead.ask::<Read>(&Place::file(PathName::parse(Table(self.source).path()).ok()?));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Chunk, Error> {
        // A script of Rex knows the tables of a namespace by the name that they have everywhere.
        let inside = call.host.network.inside.as_ref().filter(|_| Table(self.source).is_of_network());
        if let Some(inside) = inside {
            let path = match call.is_rex_compat() {
                true => Table(self.source).path().to_owned(),
                false => inside.name_of(Table(self.source).path()),
            };
            call.authorize::<Open, _>(FilePath(PathName::parse(&path)?))?;
            let permit = call.authorize::<Read, _>(TableInside { source: self.source, path })?;
            return answer(
                call,
                |host, offset_bytes, bytes| {
                    let inside = host.network.inside.as_ref().ok_or(Errno::ESRCH)?;
                    host.sources.read_inside(&permit, inside, offset_bytes, bytes)
                },
                self.offset_bytes,
            );
        }
        for opened in opened(self.source) {
            match opened {
                Opened::Dir(path) => {
                    call.authorize::<Open, _>(DirPath(PathName::parse(path)?))?;
                }
                Opened::File(path) => {
                    call.authorize::<Open, _>(FilePath(PathName::parse(path)?))?;
                }
            }
        }
        let permit = call.authorize::<Read, _>(Table(self.source))?;
        answer(
            call,
            |host, offset_bytes, bytes| host.sources.read(&permit, offset_bytes, bytes),
            self.offset_bytes,
        )
    }
}

/// As much of a table as there is room for.
fn answer(
    call: &mut Call<'_, ReadSource>,
    read: impl FnOnce(&mut Host, u64, &mut [u8]) -> io::Result<(usize, bool)>,
    offset_bytes: u64,
) -> Result<Chunk, Error> {
    let mut bytes = vec![0; MAX_CHUNK_BYTES.min(call.room_bytes.saturating_sub(CHUNK_OVERHEAD_BYTES))];
    let (count, end) = read(call.host, offset_bytes, &mut bytes)?;
    bytes.truncate(count);
    call.metered.count_read_bytes(count)?;
    Ok(Chunk { bytes: Bytes::new(bytes).unwrap_or_default(), end })
}

/// What has to be opened on the way to a table.
enum Opened {
    Dir(&'static str),
    File(&'static str),
}

fn opened(source: Source) -> Vec<Opened> {
    let path = Table(source).path();
    match source {
        Source::Memory | Source::Statistics | Source::Mounts | Source::DiskStatistics => Vec::new(),
        Source::MountsOfInit => vec![Opened::Dir("/proc"), Opened::File("/proc/mounts"), Opened::File(path)],
        Source::Tcp | Source::Tcp6 | Source::Udp | Source::Udp6 | Source::Unix => vec![Opened::File(path)],
    }
}

/// Length (at most 5) and end mark (1) of the chunk, count and failure mark of the reply.
const CHUNK_OVERHEAD_BYTES: usize = 16;

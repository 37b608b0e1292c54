//! What the fake broker knows of the host as a whole.

use std::collections::BTreeMap;

use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::failure::{ErrorKind, Failure};
use rex_ipc::file_system::Chunk;
use rex_ipc::interface::Request;
use rex_ipc::process_system::{Holder, Holders, ListOpenFiles, OpenFilesPage};
use rex_ipc::sysinfo::{
    FileSystemStatus, HostNameText, Interface, InterfacePage, KernelLogPage, KernelNames, ProcessorCount,
    ReadSource, Source, StatFileSystem, WriteParameter,
};

use crate::sysinfo::tables;

use super::world::{Node, World, invalid, missing, normal, parent, system};

/// The host of the fake broker.
#[derive(Default)]
pub(crate) struct Known {
    pub tables: BTreeMap<String, Vec<u8>>,
    /// A table that never ends.
    pub endless: Option<Source>,
    /// The host has no name.
    pub nameless: bool,
    pub kernel_log: Vec<Vec<u8>>,
    /// The system does not let the broker read the log.
    pub closed_log: bool,
    pub interfaces: Vec<Interface>,
    /// Of each mounted file system of which nothing else is said.
    pub usual_status: Option<FileSystemStatus>,
    pub statuses: BTreeMap<String, FileSystemStatus>,
    /// Who holds sockets open.
    pub holders: Vec<Holder>,
}

impl Known {
    pub(crate) fn name(source: Source) -> String {
        format!("{source:?}")
    }
}

impl World {
    pub(super) fn answer_about_host(
        &mut self,
        request: &Request,
        writer: &mut ReplyWriter<'_>,
    ) -> Result<(), Failure> {
        match request {
            Request::ReadSource(read) => writer.push(&self.part_of(read)?).unwrap(),
            Request::Uname(_) => {
                self.check("list", "Sysinfo", "Sysinfo")?;
                let text = |text: &str| Text::new(text).unwrap();
                let names = KernelNames {
                    kernel_name: text("Linux"),
                    node_name: text("tester.example"),
                    release: text("6.1.0"),
                    version: text("#1 SMP"),
                    machine: text("x86_64"),
                };
                writer.push(&names).unwrap();
            }
            Request::HostName(_) => {
                self.check("list", "Sysinfo", "Sysinfo")?;
                if self.host.nameless {
                    return Err(missing());
                }
                writer.push(&HostNameText { name: Text::new("tester.example").unwrap() }).unwrap();
            }
            Request::CountProcessors(_) => {
                self.check("list", "Sysinfo", "Sysinfo")?;
                writer.push(&ProcessorCount { count: 3 }).unwrap();
            }
            Request::ListInterfaces(list) => {
                self.check("list", "Sysinfo", "Sysinfo")?;
                let from = (list.skip as usize).min(self.host.interfaces.len());
                let to = (from + self.page_entries).min(self.host.interfaces.len());
                let interfaces = List::new(self.host.interfaces[from..to].to_vec()).unwrap();
                let page = InterfacePage { interfaces, end: to == self.host.interfaces.len() };
                writer.push(&page).unwrap();
            }
            Request::ReadKernelLog(read) => writer.push(&self.page_of_log(read.after)?).unwrap(),
            Request::WriteParameter(write) => writer.push(&self.write_parameter(write)?).unwrap(),
            Request::Unmount(unmount) => {
                let place = unmount.path.as_str();
                if !place.starts_with('/') {
                    return Err(invalid(ErrorKind::Other, &format!("Path is not absolute {place}")));
                }
                let place = normal(place);
                self.check("unmount", "Dir", &place)?;
                if self.nodes.remove(&place).is_none() {
                    return Err(system(22, "Invalid argument (os error 22)"));
                }
                writer.push(&()).unwrap();
            }
            Request::StatFileSystem(stat) => writer.push(&self.stat_file_system(stat)?).unwrap(),
            Request::ListOpenFiles(list) => writer.push(&self.holders_of_sockets(list)?).unwrap(),
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn part_of(&self, read: &ReadSource) -> Result<Chunk, Failure> {
        let path = tables::path(read.source);
        if read.source == Source::MountsOfInit {
            self.check("open", "Dir", "/proc")?;
            self.check("open", "File", "/proc/mounts")?;
        }
        if path.starts_with("/proc/net/") || read.source == Source::MountsOfInit {
            self.check("open", "File", path)?;
        }
        self.check("read", "File", path)?;
        if self.host.endless == Some(read.source) {
            return Ok(Chunk { bytes: Bytes::new(vec![b'x'; self.chunk_bytes]).unwrap(), end: false });
        }
        let table = self.host.tables.get(&Known::name(read.source)).ok_or_else(missing)?;
        let rest = &table[(read.offset_bytes as usize).min(table.len())..];
        let bytes = &rest[..rest.len().min(self.chunk_bytes)];
        let end = bytes.len() == rest.len();
        Ok(Chunk { bytes: Bytes::new(bytes.to_vec()).unwrap(), end })
    }

    /// The number of a message is its place in the list.
    fn page_of_log(&self, after: Option<u64>) -> Result<KernelLogPage, Failure> {
        self.check("read", "File", "/dev/kmsg")?;
        if self.host.closed_log {
            return Err(system(1, "Operation not permitted (os error 1)"));
        }
        let from = after.map_or(0, |number| number as usize + 1);
        let to = (from + self.page_entries).min(self.host.kernel_log.len());
        let records = self.host.kernel_log[from..to].iter().map(|record| Bytes::new(record.clone()).unwrap());
        let next = (to < self.host.kernel_log.len()).then(|| to as u64 - 1);
        Ok(KernelLogPage { records: List::new(records.collect()).unwrap(), next })
    }

    fn write_parameter(&mut self, write: &WriteParameter) -> Result<(), Failure> {
        let path = normal(&format!("/proc/sys/{}", write.path));
        self.check("open", "Dir", &parent(&path))?;
        self.check("open", "File", &path)?;
        self.check("write", "File", &path)?;
        match (self.nodes.get(&path), write.value.as_str()) {
            (None, _) => Err(missing()),
            (_, "EINVAL") => Err(system(22, "Invalid argument (os error 22)")),
            (_, "EPERM") => Err(system(1, "Operation not permitted (os error 1)")),
            (_, value) => {
                self.nodes.insert(path, Node::File(value.into()));
                Ok(())
            }
        }
    }

    fn stat_file_system(&self, stat: &StatFileSystem) -> Result<FileSystemStatus, Failure> {
        let place = stat.mount_point.as_str();
        self.check("stat", "Dir", place)?;
        self.check("read", "File", "/proc/mounts")?;
        self.host.statuses.get(place).or(self.host.usual_status.as_ref()).cloned().ok_or_else(missing)
    }

    fn holders_of_sockets(&self, list: &ListOpenFiles) -> Result<OpenFilesPage, Failure> {
        self.check("open", "File", "/proc")?;
        self.check("read", "File", "/proc")?;
        let Holders::From { pid, skip: 0 } = list.of else { return Err(missing()) };
        let behind: Vec<&Holder> = self.host.holders.iter().filter(|holder| holder.pid >= pid).collect();
        let next = behind.get(self.page_entries).map(|holder| (holder.pid, 0));
        let holders = behind.into_iter().take(self.page_entries).cloned().collect();
        Ok(OpenFilesPage { holders: List::new(holders).unwrap(), next, kept_back: None })
    }
}

//! What can cross the boundary: one row for each operation, and nothing else.
//!
//! A row is a promise to an auditor: its number, the request and the reply, and every Cedar action that the
//! operation may ask for. Numbers are spent once; [`RETIRED`] lists those that are gone. Rows with `needs []`
//! disclose nothing about the host's data.

use crate::action::{self, Action, ActionId};
use crate::codec::{self, CodecError};
use crate::messages::*;

/// Gives the rows of the table to the macro `$emit`.
#[macro_export]
macro_rules! interface {
    ($emit:ident) => {
        $emit! {
            runtime {
                0x0001 now: Now -> Clocks, needs [];
                0x0002 sleep: Sleep -> (), needs [];
                0x0003 random_bytes: RandomBytes -> Randomness, needs [];
                0x0004 log: Log -> (), needs [];
                0x0005 alarm: Alarm -> (), needs [];
                0x0006 metric: Metric -> (), needs [];
                0x0007 close: Close -> (), needs [];
            }
            file_system {
                0x0101 open_dir: OpenDir -> Opened, needs [file_system::Open, file_system::Create];
                0x0102 open_file: OpenFile -> Opened, needs [file_system::Open, file_system::Create];
                0x0103 read_chunk: ReadChunk -> Chunk, needs [file_system::Read, file_system::RedactedRead];
                0x0104 open_listing: OpenListing -> Listing, needs [file_system::Open];
                0x0105 list_entries: ListEntries -> EntryPage, needs [file_system::Read];
                0x0106 open_link: OpenLink -> (), needs [file_system::Open];
                0x0107 read_link: ReadLink -> LinkTarget, needs [file_system::Read];
                0x0108 stat: Stat -> Metadata, needs [file_system::Stat];
                0x0109 stat_entry: StatEntry -> Metadata, needs [file_system::Stat];
                0x010a list_details: ListDetails -> DetailsPage,
                    needs [file_system::Read, file_system::Open, file_system::Stat];
                0x010b begin_write: BeginWrite -> (), needs [file_system::Write];
                0x010c begin_file: BeginFile -> (), needs [file_system::Create, file_system::Write];
                0x010d write_chunk: WriteChunk -> (), needs [file_system::Write];
                0x010e finish_write: FinishWrite -> (),
                    needs [file_system::Write, file_system::Chmod, file_system::Chown, file_system::Create,
                        file_system::Delete];
                0x010f abandon_write: AbandonWrite -> (), needs [];
                0x0110 truncate: Truncate -> (), needs [file_system::Write];
                0x0111 allocate: Allocate -> (), needs [file_system::Write];
                0x0112 copy: Copy -> Copied, needs [file_system::Read, file_system::Write];
                0x0113 move_file: MoveFile -> Opened,
                    needs [file_system::Move, file_system::Create, file_system::Open, file_system::Read,
                        file_system::Write, file_system::Stat, file_system::Delete];
                0x0114 move_dir: MoveDir -> Opened,
                    needs [file_system::Move, file_system::Create, file_system::Open, file_system::Read,
                        file_system::Write, file_system::Chown, file_system::Delete];
                0x0115 delete_file: DeleteFile -> (), needs [file_system::Delete];
                0x0116 delete_dir: DeleteDir -> (), needs [file_system::Delete];
                0x0117 delete_path: DeletePath -> (), needs [file_system::Open, file_system::Delete];
                0x0118 make_dir: MakeDir -> (),
                    needs [file_system::Create, file_system::Open, file_system::Chmod, file_system::Chown];
                0x0119 make_path: MakePath -> (), needs [file_system::Open, file_system::Create];
                0x011a create_link: CreateLink -> (), needs [file_system::Create, file_system::Delete];
                0x011b set_mode: SetMode -> (), needs [file_system::Chmod];
                0x011c set_owner: SetOwner -> (), needs [file_system::Chown];
                0x011d set_x_attr: SetXAttr -> (), needs [file_system::SetXAttr];
                0x011e set_times: SetTimes -> (), needs [file_system::Write];
                0x011f open_target: OpenTarget -> Opened,
                    needs [file_system::Open, file_system::Create, file_system::Read, file_system::Write];
                0x0120 read_end: ReadEnd -> EndChunk, needs [file_system::Read];
                0x0121 begin_program: BeginProgram -> (), needs [file_system::Execute];
                0x0122 read_program: ReadProgram -> ProgramOutput, needs [file_system::Execute];
                0x0123 begin_analysis: BeginAnalysis -> (), needs [file_system::Read, file_system::Execute];
            }
            process_system {
                0x0201 list_processes: ListProcesses -> ProcessPage,
                    needs [process_system::List, file_system::Open, file_system::Read, file_system::RedactedRead];
                0x0202 signal_process: SignalProcess -> Signalled,
                    needs [process_system::Kill, process_system::Interrupt];
                0x0203 list_open_files: ListOpenFiles -> OpenFilesPage,
                    needs [process_system::ListFds, file_system::Open, file_system::Read];
                0x0204 find_real_path: FindRealPath -> RealPath, needs [file_system::Stat];
                0x0205 begin_trace: BeginTrace -> TraceBegun,
                    needs [process_system::Trace, process_system::MountNamespace, file_system::Execute];
                0x0206 enter_namespaces: EnterNamespaces -> (),
                    needs [process_system::MountNamespace, process_system::NetworkNamespace,
                        file_system::NetworkNamespace, file_system::Open];
                0x0207 leave_namespaces: LeaveNamespaces -> (), needs [];
            }
            systemd {
                0x0301 act_on_unit: ActOnUnit -> UnitJob, needs [systemd::Start, systemd::Stop, systemd::Restart];
                0x0302 unit_status: UnitStatus -> Chunk, needs [systemd::Status];
                0x0303 reload_manager: ReloadManager -> (), needs [systemd::DaemonReload];
            }
            network {
                0x0401 begin_get: BeginGet -> Begun, needs [network::Get];
                0x0402 read_response: ReadResponse -> Chunk, needs [network::Get];
                0x0403 connect: Connect -> (), needs [network::Connect];
                0x0404 known_addresses: KnownAddresses -> HostAddresses, needs [sysinfo::ResolveHostname];
                0x0405 query_name: QueryName -> NameAnswer, needs [sysinfo::ResolveHostname];
            }
            disk {
                0x0501 stat_file_system: StatFileSystem -> FileSystemStatus,
                    needs [file_system::Stat, file_system::Read];
                0x0502 unmount: Unmount -> (), needs [file_system::Unmount];
            }
            sysinfo {
                0x0601 uname: Uname -> KernelNames, needs [sysinfo::List];
                0x0602 host_name: HostName -> HostNameText, needs [sysinfo::List];
                0x0603 count_processors: CountProcessors -> ProcessorCount, needs [sysinfo::List];
                0x0604 list_interfaces: ListInterfaces -> InterfacePage, needs [sysinfo::List, file_system::Read];
                0x0605 read_source: ReadSource -> Chunk, needs [file_system::Open, file_system::Read];
                0x0606 read_kernel_log: ReadKernelLog -> KernelLogPage, needs [file_system::Read];
                0x0607 write_parameter: WriteParameter -> (), needs [file_system::Open, file_system::Write];
                0x0608 load_parameters: LoadParameters -> (), needs [sysctl::Load, file_system::Execute];
            }
        }
    };
}

/// Numbers of rows that were removed; they are never given to another operation.
pub const RETIRED: &[u16] = &[];

/// A request type, tied to its row.
pub trait Operation: serde::Serialize + serde::de::DeserializeOwned {
    /// What comes back.
    type Reply: serde::Serialize + serde::de::DeserializeOwned;
    /// The number on the wire.
    const NUMBER: u16;
    /// The name of the row.
    const NAME: &'static str;
    /// Every action that it may ask for.
    const NEEDS: &'static [ActionId];
}

/// Says that the row of this operation lists the action `A`.
#[diagnostic::on_unimplemented(
    message = "the row of `{Self}` does not announce the action `{A}`",
    note = "an operation may ask only for what its row in ipc/src/interface.rs lists"
)]
pub trait Needs<A: Action>: Operation {}

/// One row, as a value.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The group it stands in.
    pub group: &'static str,
    /// The number on the wire.
    pub number: u16,
    /// The name.
    pub name: &'static str,
    /// The name of the request type.
    pub request: &'static str,
    /// The name of the reply type.
    pub reply: &'static str,
    /// Every action that it may ask for.
    pub needs: &'static [ActionId],
}

macro_rules! emit_types {
    ($($group:ident {
        $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($namespace:ident::$action:ident),*];)+
    })+) => {
        /// Any request of the table.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(
                #[doc = concat!("`", stringify!($name), "`.")]
                $request($request),
            )+)+
        }

        impl Request {
            /// Reads the payload of the operation with this number; returns it with its length.
            ///
            /// # Errors
            /// `Malformed` for a number without a row; otherwise those of [`codec::decode`].
            pub fn decode(number: u16, payload: &[u8]) -> Result<(Request, usize), CodecError> {
                match number {
                    $($($number => codec::decode::<$request>(payload)
                        .map(|(request, length)| (Request::$request(request), length)),)+)+
                    _ => Err(CodecError::Malformed),
                }
            }

            /// Writes the payload; returns its length.
            ///
            /// # Errors
            /// `NoRoom` when the request does not fit.
            pub fn encode(&self, space: &mut [u8]) -> Result<usize, CodecError> {
                match self { $($(Request::$request(request) => codec::encode(request, space),)+)+ }
            }

            /// The number of the operation.
            pub const fn number(&self) -> u16 {
                match self { $($(Request::$request(_) => $number,)+)+ }
            }

            /// Whether the row lists an action.
            pub const fn needs_permission(&self) -> bool {
                match self { $($(Request::$request(_) => !<$request as Operation>::NEEDS.is_empty(),)+)+ }
            }

            /// The name of the operation.
            pub const fn name(&self) -> &'static str {
                match self { $($(Request::$request(_) => stringify!($name),)+)+ }
            }
        }

        $($(
            impl Operation for $request {
                type Reply = $reply;
                const NUMBER: u16 = $number;
                const NAME: &'static str = stringify!($name);
                const NEEDS: &'static [ActionId] =
                    &[$(<action::$namespace::$action as Action>::ID),*];
            }
            $(impl Needs<action::$namespace::$action> for $request {})*
            impl From<$request> for Request {
                fn from(request: $request) -> Request {
                    Request::$request(request)
                }
            }
        )+)+

        /// Every row, in the order of the table.
        pub const ROWS: &[Row] = &[$($(Row {
            group: stringify!($group),
            number: $number,
            name: stringify!($name),
            request: stringify!($request),
            reply: stringify!($reply),
            needs: <$request as Operation>::NEEDS,
        },)+)+];
    };
}

interface!(emit_types);

/// Everything that can cross: rows, fields of each message, limits, kinds and states. It is traced from the types, and a test
/// holds it to them.
pub const PROTOCOL: &str = include_str!("../protocol.json");

/// The hash of [`PROTOCOL`]; both ends compare it before anything else.
pub const FINGERPRINT: u64 = fingerprint(PROTOCOL);

/// FNV-1a, 64 bits.
pub const fn fingerprint(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

//! How large anything on the wire may be.

/// Largest frame, header included, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// Length of a frame's header in bytes; also the smallest frame.
pub const HEADER_BYTES: usize = 16;

/// Largest body of a frame in bytes.
pub const MAX_BODY_BYTES: usize = MAX_FRAME_BYTES - HEADER_BYTES;

/// Most requests in one call.
pub const MAX_BATCH: usize = 16;

/// Most bytes of a file in one reply; leaves room for the rest of a batch.
pub const MAX_CHUNK_BYTES: usize = 60 * 1024;

/// Most bytes that a batch's replies may take before the last one is cut short.
pub const MAX_REPLY_BYTES: usize = MAX_BODY_BYTES - 1024;

/// Longest path text in bytes: PATH_MAX, each byte escaped to four.
pub const MAX_PATH_TEXT_BYTES: usize = 4 * 4096;

/// Longest name text in bytes: NAME_MAX, each byte escaped to four.
pub const MAX_NAME_TEXT_BYTES: usize = 4 * 255;

/// Longest name of a user or group in bytes; useradd(8) allows 32, directories of users more.
pub const MAX_IDENTITY_BYTES: usize = 1024;

/// Longest name or part of an extended attribute in bytes.
pub const MAX_LABEL_BYTES: usize = 4096;

/// Longest message of a failure, a panic or a violation in bytes.
pub const MAX_MESSAGE_BYTES: usize = 20 * 1024;

/// Longest log message in bytes; the broker cuts to what the result document allows.
pub const MAX_LOG_BYTES: usize = 4096;

/// Longest alarm or metric text in bytes.
pub const MAX_SIGNAL_TEXT_BYTES: usize = 16 * 1024;

/// Most dimensions of a metric.
pub const MAX_DIMENSIONS: usize = 64;

/// Most entries in one page of a listing.
pub const MAX_PAGE_ENTRIES: usize = 4096;

/// Most random bytes in one reply.
pub const MAX_RANDOM_BYTES: usize = 4096;

/// Longest sleep in one request, in milliseconds; longer ones are split by the jail.
pub const MAX_SLEEP_MS: u32 = 60_000;

/// Most bytes of script and arguments together.
pub const MAX_LOAD_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of output or error text.
pub const MAX_OUTPUT_BYTES: usize = 512 * 1024 * 1024;

/// Longest command line of a process in bytes; the rest is not looked at, by policies either.
pub const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// Longest name of a process in bytes: 64 of a kernel thread, each perhaps replaced by a character of three.
pub const MAX_PROCESS_NAME_BYTES: usize = 3 * 64;

/// Most processes in one page, and in one selection.
pub const MAX_PAGE_PROCESSES: usize = 512;

/// Most open files of one process in one page.
pub const MAX_OPEN_ENTRIES: usize = 4096;

/// Longest text of uname(2) and of an interface's name in bytes: 64, each perhaps replaced by a character of three.
pub const MAX_KERNEL_NAME_BYTES: usize = 3 * 64;

/// Most interfaces in one page.
pub const MAX_PAGE_INTERFACES: usize = 1024;

/// Most addresses of an interface in one part.
pub const MAX_ADDRESSES: usize = 1024;

/// Most messages of the kernel in one page.
pub const MAX_KERNEL_MESSAGES: usize = 1024;

/// Longest record of the kernel log in bytes: `PRINTKRB_RECORD_MAX` and its prefix, rounded up.
pub const MAX_KERNEL_MESSAGE_BYTES: usize = 8 * 1024;

/// Longest value of a kernel parameter in bytes: a page, which is what the kernel takes at once, less its end.
pub const MAX_PARAMETER_BYTES: usize = 4095;

/// Longest name of a unit in bytes; systemd allows 255.
pub const MAX_UNIT_NAME_BYTES: usize = 1024;

/// Longest time in seconds that the job of a unit is waited for.
pub const MAX_JOB_SECONDS: u32 = 3600;

/// Longest URL in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// Most redirects that lead to a URL.
pub const MAX_HOPS: u8 = 10;

/// Longest text that names a host in bytes; a name of DNS has 253 at most.
pub const MAX_HOST_TEXT_BYTES: usize = 1024;

/// Most addresses that are known of one host.
pub const MAX_HOST_ADDRESSES: usize = 256;

/// Longest answer of a name server in bytes.
pub const MAX_DNS_ANSWER_BYTES: usize = 16 * 1024;

/// Longest time in seconds that an answer of a name server is waited for.
pub const MAX_DNS_SECONDS: u32 = 3600;

/// Most arguments of a program.
pub const MAX_PROGRAM_ARGUMENTS: usize = 4096;

/// Most variables of a program.
pub const MAX_PROGRAM_VARIABLES: usize = 1024;

/// Longest text that a program is given in bytes, and the most that all of them together may have.
pub const MAX_PROGRAM_TEXT_BYTES: usize = 48 * 1024;

/// The largest number of a capability: the kernel keeps them in 64 bits.
pub const MAX_CAPABILITY: u8 = 63;

/// Most bytes that a program may write to its standard output and standard error together.
pub const MAX_PROGRAM_OUTPUT_BYTES: u64 = 256 * 1024 * 1024;

/// Most processes that a program may be at one time.
pub const MAX_PROGRAM_PROCESSES: u64 = 512;

/// Most questions that are asked for one program, whose keys have several values.
pub const MAX_PROGRAM_QUESTIONS: usize = 64;

/// Most places that a program can be given.
pub const MAX_PROGRAM_PLACES: usize = 244;

/// Most variables of a core dump that can be asked for at a time.
pub const MAX_VARIABLES: usize = 64;

/// Longest name of a variable in bytes.
pub const MAX_VARIABLE_BYTES: usize = 256;

/// Most threads of a process that can be traced.
pub const MAX_TRACED_THREADS: usize = 1024;

/// Most bytes of the memory of a process that a trace looks at.
pub const MAX_TRACED_BYTES: usize = 32 * 1024 * 1024;

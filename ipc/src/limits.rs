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

//! The filter's meaning in ten lines, against which the program is compared.

use super::AUDIT_ARCHITECTURE;
use super::evaluate::CallData;
use crate::channel::Pins;

/// Whether a jail with these addresses may make `call`.
pub fn allows(pins: &Pins, call: &CallData) -> bool {
    let [descriptor, buffer, length, ..] = call.arguments;
    let number = i64::from(call.number);
    let pinned =
        call.architecture == AUDIT_ARCHITECTURE && call.instruction_pointer == pins.instruction_pointer;
    let frame = descriptor == 3 && (16..=65_536).contains(&length);
    pinned
        && (number == libc::SYS_exit_group
            || number == libc::SYS_read && buffer == pins.inbound && frame
            || number == libc::SYS_write && buffer == pins.outbound && frame)
}

//! What needs no permit, with the reason.

use super::bus::{Bus, Failed};
use super::message::Message;
use super::object::{GoOn, Services};
use crate::gate::error::Error;
use rex_ipc::failure::ErrorKind;

/// Connects to the system bus. It says nothing about a unit, and is done only after something was permitted.
///
/// # Errors
/// When the bus cannot be reached, or does not answer in time; `Interrupted` when the run is to end.
pub fn connect(services: &Services, go_on: GoOn<'_>) -> Result<Bus, Error> {
    Bus::connect(services.address.as_deref(), go_on).map_err(|failed| match failed {
        Failed::Run(error) => error,
        other => Error::invalid(ErrorKind::Other, format!("Failed to connect to system bus: {other}")),
    })
}

/// The texts of a message of the bus, of its body and of a variant in it; nothing for what is no message. For whoever checks how
/// messages are read: it reaches nobody.
pub fn texts_of_message(bytes: &[u8]) -> Option<Vec<String>> {
    let message = Message::parse(bytes)?;
    let mut texts: Vec<String> =
        [&message.error_name, &message.sender, &message.member].into_iter().flatten().cloned().collect();
    texts.extend(message.texts().unwrap_or_default());
    texts.extend(message.text_in_variant());
    Some(texts)
}

//! What the broker does for each row of the interface table: a file for each operation on files, and what they share.

pub mod call;
mod disk;
pub mod explain;
pub mod file_system;
mod inside;
pub mod naming;
mod network;
mod process_system;
pub mod room;
pub mod runtime;
mod sysinfo;
mod systemd;
mod tool;

use rex_ipc::batch::ReplyWriter;
use rex_ipc::interface::{Operation, Request};
use rex_ipc::limits::MAX_REPLY_BYTES;

use crate::gate::error::Error;
use call::{Call, Parts};
use explain::ahead::{Ahead, Seen};

/// The body of an operation.
pub trait Perform: Operation + Sized {
    /// Says what it is sure to ask, as far as the request and the handles tell, and what it would open; nothing from where
    /// a name cannot be known.
    ///
    /// Explanations of denials are made of it, and while the request is carried out, it has to ask what was said.
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()>;

    /// Asks for what it needs, acts, and answers.
    ///
    /// # Errors
    /// Whatever went wrong; [`Error::to_failure`] says what of it the script learns.
    fn perform(self, call: &mut Call<'_, Self>) -> Result<Self::Reply, Error>;
}

macro_rules! emit_dispatch {
    ($($group:ident {
        $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($namespace:ident::$action:ident),*];)+
    })+) => {
        /// Performs one request and puts its reply behind those that are already written.
        ///
        /// # Errors
        /// Those of the operation.
        pub fn dispatch(
            request: Request,
            parts: Parts<'_>,
            line: u32,
            replies: &mut ReplyWriter<'_>,
        ) -> Result<(), Error> {
            let room_bytes = MAX_REPLY_BYTES.saturating_sub(replies.used());
            // Before anything is done for it: an act whose answer cannot be sent must not happen.
            room::is_possible(&request, room_bytes, parts.host)?;
            match request {
                $($(Request::$request(request) => {
                    let mut call = Call::new(parts, line, room_bytes, &request);
                    let reply = request.perform(&mut call)?;
                    call.announced.are_asked();
                    // What changes something has been refused above; of the rest, nothing is left behind.
                    replies.push(&reply).map_err(|_| room::too_little())
                })+)+
            }
        }

        /// Has the operation of a request say what it is going to ask.
        fn foresee(request: &Request, seen: &mut Seen<'_>) -> Option<()> {
            match request { $($(Request::$request(request) => request.foresee(&mut Ahead::of(seen)),)+)+ }
        }
    };
}

rex_ipc::interface!(emit_dispatch);

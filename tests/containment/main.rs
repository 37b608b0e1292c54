//! What a jail that was taken over tries, and what stops it.

mod acts;
mod exceptions;
mod sweep;

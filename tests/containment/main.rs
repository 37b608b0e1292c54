//! What a jail that was taken over tries, and what stops it.

mod acts;
mod broker;
mod death;
mod ends;
mod exceptions;
mod faults;
mod posture;
mod protocol;
mod races;
mod surroundings;
mod sweep;

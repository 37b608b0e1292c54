//! What a jail that was taken over tries, and what stops it.

mod acts;
mod alone;
mod broker;
mod death;
mod ends;
mod exceptions;
mod faults;
mod liars;
mod posture;
mod protocol;
mod races;
mod self_protection;
mod surroundings;
mod sweep;
mod together;

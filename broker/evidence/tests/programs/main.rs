//! What the two programs do: sealing, every attack on what is sealed, bad surroundings, and the page in docs.

mod attacks;
mod bad_input;
mod commands;
mod peers;
mod place;
mod random;
mod speed;
mod witness;

//! Is what `rex-broker sdk` says true: does every example run, and is everything there that Rex has?

mod actions;
mod calls;
mod digest;
mod examples;
mod pages;
mod program;
mod table;
mod tree;

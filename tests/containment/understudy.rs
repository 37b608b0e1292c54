//! Stands in for a broker that is another user, or that is killed: starts one jail and does what the first argument says.

fn main() {}

//! What stays whole whatever others do at the same time: exchange what is worked on, or kill who works on it.

mod kills;
mod moments;
mod races;

//! A limit that each operation of the interface table has for itself.

use std::fmt;

use rex_ipc::interface::ROWS;

/// One number for each row of the interface table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerOperation {
    usual: u64,
    of_row: [u64; ROWS.len()],
}

impl PerOperation {
    /// One number for every operation.
    pub const fn all(usual: u64) -> Self {
        Self { usual, of_row: [usual; ROWS.len()] }
    }

    /// The number of the operation in this row.
    pub fn of(&self, row: usize) -> u64 {
        self.of_row.get(row).copied().unwrap_or(self.usual)
    }

    /// Gives the operation of this name a number of its own; says whether there is one.
    pub fn set(&mut self, name: &str, number: u64) -> bool {
        let row = ROWS.iter().position(|row| row.name == name);
        let place = row.and_then(|row| self.of_row.get_mut(row));
        let is_known = place.is_some();
        if let Some(place) = place {
            *place = number;
        }
        is_known
    }
}

impl fmt::Display for PerOperation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.usual)?;
        let named = ROWS.iter().zip(self.of_row).filter(|(_, limit)| *limit != self.usual);
        named.into_iter().try_for_each(|(row, limit)| write!(out, ",{}={limit}", row.name))
    }
}

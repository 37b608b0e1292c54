//! Where the stored parts of a file stand in it, and where nothing but zeros is.

/// A part of a file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it stands in the file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// The rest of a file that is being put together.
#[derive(Clone, Debug)]
pub struct Layout {
    spans: std::vec::IntoIter<Span>,
    present: Span,
    position: u64,
    size_bytes: u64,
}

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// So many bytes that are stored.
    Stored(usize),
    /// So many zeros.
    Zeros(usize),
}

impl Layout {
    /// A file that is stored as it is.
    pub fn plain(size_bytes: u64) -> Self {
        let whole = Span { offset: 0, length: size_bytes };
        Self { spans: Vec::new().into_iter(), present: whole, position: 0, size_bytes }
    }

    /// A file of which these parts are stored, and nothing when they are not in order or more is claimed than there is.
    pub fn sparse(spans: Vec<Span>, size_bytes: u64, stored_bytes: u64) -> Option<Self> {
        let (mut end, mut stored) = (0_u64, 0_u64);
        for span in &spans {
            if span.offset < end {
                return None;
            }
            end = span.offset.checked_add(span.length)?;
            stored = stored.checked_add(span.length)?;
        }
        if end > size_bytes || stored > stored_bytes {
            return None;
        }
        let nothing = Span { offset: 0, length: 0 };
        Some(Self { spans: spans.into_iter(), present: nothing, position: 0, size_bytes })
    }

    /// Takes what comes next, at most so much of it; nothing at the end.
    pub fn next(&mut self, most: usize) -> Option<Part> {
        while self.position >= self.present.offset.saturating_add(self.present.length) {
            match self.spans.next() {
                Some(span) => self.present = span,
                None => return self.take(self.size_bytes, most).map(Part::Zeros),
            }
        }
        if self.position < self.present.offset {
            return self.take(self.present.offset, most).map(Part::Zeros);
        }
        self.take(self.present.offset.saturating_add(self.present.length), most).map(Part::Stored)
    }

    /// Whether all of it was taken.
    pub fn is_over(&self) -> bool {
        self.position >= self.size_bytes
    }

    fn take(&mut self, end: u64, most: usize) -> Option<usize> {
        let count = end.saturating_sub(self.position).min(most as u64);
        self.position = self.position.saturating_add(count);
        usize::try_from(count).ok().filter(|&count| count > 0)
    }
}

/// The most parts of one file: a map of them takes 16 bytes for each.
pub const MOST_SPANS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(mut layout: Layout, most: usize) -> Vec<Part> {
        let parts = std::iter::from_fn(|| layout.next(most)).collect();
        assert!(layout.is_over());
        parts
    }

    fn spans(pairs: &[(u64, u64)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    #[test]
    fn holes_are_zeros_between_before_and_behind_what_is_stored() {
        let layout = Layout::sparse(spans(&[(2, 3), (5, 0), (7, 1), (10, 0)]), 10, 4).unwrap();

        assert_eq!(
            parts(layout, 2),
            [
                Part::Zeros(2),
                Part::Stored(2),
                Part::Stored(1),
                Part::Zeros(2),
                Part::Stored(1),
                Part::Zeros(2)
            ]
        );
        assert_eq!(parts(Layout::plain(3), 2), [Part::Stored(2), Part::Stored(1)]);
        assert_eq!(parts(Layout::plain(0), 2), []);
        assert_eq!(parts(Layout::sparse(Vec::new(), 3, 0).unwrap(), 2), [Part::Zeros(2), Part::Zeros(1)]);
    }

    #[test]
    fn impossible_maps_are_refused() {
        for (pairs, size, stored) in [
            (&[(5, 1), (0, 1)][..], 9, 9),
            (&[(0, 2), (1, 1)], 9, 9),
            (&[(0, 10)], 9, 10),
            (&[(0, 5)], 9, 4),
            (&[(u64::MAX, 1)], u64::MAX, 9),
        ] {
            assert!(Layout::sparse(spans(pairs), size, stored).is_none());
        }
    }
}

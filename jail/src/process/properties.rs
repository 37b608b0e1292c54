//! Properties of D-Bus, `a{sv}`, as a manager of services tells them: bytes that came from outside.
//!
//! # Source
//! The D-Bus Specification, "Marshaling (Wire Format)".

/// A value that is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// `s` or `o`.
    Text(String),
    /// `b`.
    Bool(bool),
    /// `u` or `t`.
    Number(u64),
    /// `as`.
    Texts(Vec<String>),
}

/// The properties of these names that are of a type of interest, in their order; nothing for bytes of another form.
pub fn read(bytes: &[u8], wanted: &[&str]) -> Option<Vec<(String, Property)>> {
    let mut reader = Reader { bytes, at: 0 };
    let length = usize::try_from(reader.number()?).ok()?;
    reader.align(8)?;
    let end = reader.at.checked_add(length)?;
    if end != bytes.len() {
        return None;
    }
    let mut found = Vec::new();
    while reader.at < end {
        reader.align(8)?;
        let name = reader.text()?;
        let signature = reader.signature()?;
        if wanted.contains(&name.as_str())
            && let Some(property) = reader.property(&signature)?
        {
            found.push((name, property));
        } else {
            reader.pass_over_all(signature.as_bytes(), DEEPEST)?;
        }
    }
    Some(found)
}

/// The specification allows 32 arrays and 32 structures within each other.
const DEEPEST: u32 = 64;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        self.ended(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(*self.take(1)?.first()?);
        self.ended(length)
    }

    fn ended(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        (*self.take(1)?.first()? == 0).then_some(text)
    }

    /// The value of this type, when the type is of interest; the outer nothing for bytes that are none.
    fn property(&mut self, signature: &str) -> Option<Option<Property>> {
        Some(Some(match signature {
            "s" | "o" => Property::Text(self.text()?),
            "b" => Property::Bool(self.number()? != 0),
            "u" => Property::Number(self.number()?.into()),
            "t" => {
                self.align(8)?;
                Property::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
            }
            "as" => {
                let length = usize::try_from(self.number()?).ok()?;
                let end = self.at.checked_add(length)?;
                let mut texts = Vec::new();
                while self.at < end {
                    texts.push(self.text()?);
                }
                Property::Texts(texts)
            }
            _ => return Some(None),
        }))
    }

    /// Passes over values of these types, one behind the other.
    fn pass_over_all(&mut self, mut signature: &[u8], left: u32) -> Option<()> {
        while !signature.is_empty() {
            signature = self.pass_over(signature, left)?;
        }
        Some(())
    }

    /// Passes over a value of the first type; gives the types behind it.
    fn pass_over<'s>(&mut self, signature: &'s [u8], left: u32) -> Option<&'s [u8]> {
        let left = left.checked_sub(1)?;
        let (kind, rest) = signature.split_first()?;
        let (size, alignment) = match kind {
            b'y' => (1, 1),
            b'n' | b'q' => (2, 2),
            b'b' | b'i' | b'u' | b'h' => (4, 4),
            b'x' | b't' | b'd' => (8, 8),
            b's' | b'o' => {
                self.text()?;
                return Some(rest);
            }
            b'g' => {
                self.signature()?;
                return Some(rest);
            }
            b'v' => {
                let inner = self.signature()?;
                self.pass_over_all(inner.as_bytes(), left)?;
                return Some(rest);
            }
            b'(' | b'{' => {
                self.align(8)?;
                let inner = complete(signature)?;
                let (fields, rest) = signature.split_at(inner);
                self.pass_over_all(fields.get(1..inner.checked_sub(1)?)?, left)?;
                return Some(rest);
            }
            b'a' => {
                let length = usize::try_from(self.number()?).ok()?;
                if matches!(rest.first()?, b'x' | b't' | b'd' | b'(' | b'{') {
                    self.align(8)?;
                }
                self.take(length)?;
                return rest.get(complete(rest)?..);
            }
            _ => return None,
        };
        self.align(alignment)?;
        self.take(size)?;
        Some(rest)
    }
}

/// How many characters the first complete type has.
fn complete(signature: &[u8]) -> Option<usize> {
    let mut at = 0;
    while signature.get(at) == Some(&b'a') {
        at += 1;
    }
    if !matches!(signature.get(at)?, b'(' | b'{') {
        return at.checked_add(1);
    }
    let mut open = 0_u32;
    loop {
        match signature.get(at)? {
            b'(' | b'{' => open = open.checked_add(1)?,
            b')' | b'}' => open = open.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes values as D-Bus has them.
    #[derive(Default)]
    pub(crate) struct Writer(pub(crate) Vec<u8>);

    impl Writer {
        fn align(&mut self, to: usize) {
            self.0.resize(self.0.len().next_multiple_of(to), 0);
        }

        fn text(&mut self, text: &str) {
            self.align(4);
            self.0.extend((text.len() as u32).to_le_bytes());
            self.0.extend(text.as_bytes());
            self.0.push(0);
        }

        /// A property of this name and type, whose value is written by `value`.
        pub(crate) fn property(&mut self, name: &str, signature: &str, value: impl FnOnce(&mut Self)) {
            self.align(8);
            self.text(name);
            self.0.push(signature.len() as u8);
            self.0.extend(signature.as_bytes());
            self.0.push(0);
            value(self);
        }

        pub(crate) fn text_property(&mut self, name: &str, text: &str) {
            self.property(name, "s", |writer| writer.text(text));
        }

        pub(crate) fn number_property(&mut self, name: &str, number: u32) {
            self.property(name, "u", |writer| {
                writer.align(4);
                writer.0.extend(number.to_le_bytes());
            });
        }

        pub(crate) fn large_property(&mut self, name: &str, number: u64) {
            self.property(name, "t", |writer| {
                writer.align(8);
                writer.0.extend(number.to_le_bytes());
            });
        }

        /// With the length in front, as an array.
        pub(crate) fn finish(mut self) -> Vec<u8> {
            let length = self.0.len() as u32;
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.resize(8, 0);
            bytes.append(&mut self.0);
            bytes
        }
    }

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text_property("Id", "a.service");
        writer.property("Job", "(uo)", |writer| {
            writer.align(8);
            writer.0.extend(7_u32.to_le_bytes());
            writer.text("/");
        });
        writer.property("Conditions", "a(sbbsi)", |writer| {
            writer.align(4);
            writer.0.extend(0_u32.to_le_bytes());
            writer.align(8);
        });
        writer.property("Documentation", "as", |writer| {
            writer.align(4);
            writer.0.extend(10_u32.to_le_bytes());
            writer.text("man:a");
        });
        writer.property("Odd", "v", |writer| {
            writer.0.extend(b"\x01y\0\x05");
        });
        writer.property("NeedDaemonReload", "b", |writer| {
            writer.align(4);
            writer.0.extend(1_u32.to_le_bytes());
        });
        writer.number_property("MainPID", 12);
        writer.large_property("MemoryCurrent", u64::MAX);
        writer.finish()
    }

    const WANTED: &[&str] = &["Id", "Documentation", "NeedDaemonReload", "MainPID", "MemoryCurrent", "Job"];

    #[test]
    fn what_is_wanted_is_found_among_everything_else() {
        let found = read(&sample(), WANTED).unwrap();

        let expected = [
            ("Id", Property::Text("a.service".into())),
            ("Documentation", Property::Texts(vec!["man:a".into()])),
            ("NeedDaemonReload", Property::Bool(true)),
            ("MainPID", Property::Number(12)),
            ("MemoryCurrent", Property::Number(u64::MAX)),
        ];
        assert_eq!(found, expected.map(|(name, property)| (name.to_owned(), property)));
    }

    #[test]
    fn whatever_comes_is_no_panic() {
        let whole = sample();
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], WANTED), None, "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, b'a', b'(', b'v', 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _read = read(&changed, WANTED);
            }
        }
        let mut deep = Writer::default();
        deep.property("Deep", "v", |writer| {
            for _ in 0..200 {
                writer.0.extend(b"\x01v\0");
            }
        });
        assert_eq!(read(&deep.finish(), WANTED), None);
        for signature in ["(", "a", "a{", "((s)", "{sv", ")", "z", ""] {
            let mut odd = Writer::default();
            odd.property("Odd", signature, |_| {});
            let _read = read(&odd.finish(), WANTED);
        }
    }
}

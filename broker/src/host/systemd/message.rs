//! Messages of D-Bus, as far as a caller of methods with text arguments needs them.
//!
//! # Source
//! The D-Bus Specification, "Marshaling (Wire Format)" and "Message Format". Only little-endian messages are read: whoever
//! answers runs on this machine.

/// A call of a method whose arguments are texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct MethodCall<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: &'a [&'a str],
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Return,
    Error,
    Signal,
    /// A call, or a kind that is not known: of no interest.
    Other,
}

/// A message that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Option<Kind>,
    pub(super) reply_to: Option<u32>,
    pub(super) error_name: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) member: Option<String>,
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
}

/// What begins every message.
pub(super) const FIXED_BYTES: usize = 16;
/// The most that a message may have; the specification allows 128 MiB, and the largest that is asked for has some 30 KiB.
pub(super) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

impl MethodCall<'_> {
    /// As it is sent, with this serial number, which is not 0.
    pub(super) fn to_bytes(self, serial: u32) -> Vec<u8> {
        let mut body = Writer(Vec::new());
        self.arguments.iter().for_each(|text| body.text(text));
        let mut fields = Writer(Vec::new());
        for (code, kind, text) in [
            (1, b'o', self.path),
            (2, b's', self.interface),
            (3, b's', self.member),
            (6, b's', self.destination),
        ] {
            fields.align(8);
            fields.0.extend([code, 1, kind, 0]);
            fields.text(text);
        }
        if !self.arguments.is_empty() {
            fields.align(8);
            fields.0.extend([8, 1, b'g', 0, self.arguments.len() as u8]);
            fields.0.extend(self.arguments.iter().map(|_| b's'));
            fields.0.push(0);
        }
        let mut message = Writer(vec![b'l', 1, 0, 1]);
        message.number(body.0.len() as u32);
        message.number(serial);
        message.number(fields.0.len() as u32);
        message.0.extend(&fields.0);
        message.align(8);
        message.0.extend(&body.0);
        message.0
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }
}

/// How long the whole message is whose first [`FIXED_BYTES`] these are; nothing for what is none, or is too long.
pub(super) fn length(fixed: &[u8; FIXED_BYTES]) -> Option<usize> {
    let [endian, kind, _, version, rest @ ..] = fixed;
    let number =
        |at: usize| Some(u32::from_le_bytes(rest.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let (body, fields) = (number(0)?, number(8)?);
    let length = fields.checked_next_multiple_of(8)?.checked_add(FIXED_BYTES)?.checked_add(body)?;
    (*endian == b'l' && *kind != 0 && *version == 1 && length <= MAX_MESSAGE_BYTES).then_some(length)
}

impl Message {
    /// Reads a whole message; nothing for what is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, _) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        if length(fixed)? != bytes.len() {
            return None;
        }
        let kind = match fixed[1] {
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Other,
        };
        let fields_end = FIXED_BYTES
            .checked_add(u32::from_le_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]) as usize)?;
        let mut message = Self { kind: Some(kind), ..Self::default() };
        let mut fields = Reader { bytes: bytes.get(..fields_end)?, at: FIXED_BYTES };
        while fields.at < fields_end {
            fields.align(8)?;
            let code = fields.byte()?;
            match (code, fields.signature()?.as_str()) {
                (3, "s") => message.member = Some(fields.text()?),
                (4, "s") => message.error_name = Some(fields.text()?),
                (5, "u") => message.reply_to = Some(fields.number()?),
                (7, "s") => message.sender = Some(fields.text()?),
                (8, "g") => message.signature = fields.signature()?,
                (_, "s" | "o") => drop(fields.text()?),
                (_, "g") => drop(fields.signature()?),
                (_, "u") => drop(fields.number()?),
                _ => return None,
            }
        }
        message.body = bytes.get(fields_end.checked_next_multiple_of(8)?..)?.to_vec();
        Some(message)
    }

    /// The texts that the body begins with, as the signature says: `s` and `o` are texts, numbers are passed over.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        let mut reader = Reader { bytes: &self.body, at: 0 };
        let mut texts = Vec::new();
        for kind in self.signature.bytes() {
            match kind {
                b's' | b'o' => texts.push(reader.text()?),
                b'u' => drop(reader.number()?),
                _ => return None,
            }
        }
        Some(texts)
    }

    /// The text in a variant.
    pub(super) fn text_in_variant(&self) -> Option<String> {
        let mut reader = Reader { bytes: &self.body, at: 0 };
        (self.signature == "v" && reader.signature()? == "s").then_some(())?;
        reader.text()
    }
}

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

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        self.ended(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?.into();
        self.ended(length)
    }

    /// A text of this length with the zero byte behind it.
    fn ended(&mut self, length: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.byte()? == 0 && !text.contains('\0')).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: MethodCall<'_> = MethodCall {
        destination: "org.example",
        path: "/a",
        interface: "org.example.I",
        member: "Do",
        arguments: &["one", "two"],
    };

    /// What a manager answers to a call: the same header with other fields.
    fn answer(kind: u8, fields: &[(u8, u8, &str)], body: &[u8]) -> Vec<u8> {
        let mut header = Writer(Vec::new());
        header.0.extend([5, 1, b'u', 0]);
        header.number(7);
        for (code, signature, text) in fields {
            header.align(8);
            header.0.extend([*code, 1, *signature, 0]);
            match signature {
                b'g' => {
                    header.0.push(text.len() as u8);
                    header.0.extend(text.as_bytes());
                    header.0.push(0);
                }
                _ => header.text(text),
            }
        }
        let mut message = Writer(vec![b'l', kind, 0, 1]);
        message.number(body.len() as u32);
        message.number(9);
        message.number(header.0.len() as u32);
        message.0.extend(header.0);
        message.align(8);
        message.0.extend(body);
        message.0
    }

    fn text(text: &str) -> Vec<u8> {
        let mut writer = Writer(Vec::new());
        writer.text(text);
        writer.0
    }

    #[test]
    fn a_call_is_a_message_that_can_be_read_again() {
        let bytes = CALL.to_bytes(3);

        assert_eq!(length(bytes.first_chunk().unwrap()), Some(bytes.len()));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, message.member.as_deref()), (Some(Kind::Other), Some("Do")));
        assert_eq!(message.texts(), Some(vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn an_answer_is_read() {
        let path = answer(2, &[(7, b's', ":1.0"), (8, b'g', "o")], &text("/org/job/7"));
        let message = Message::parse(&path).unwrap();
        assert_eq!((message.kind, message.reply_to), (Some(Kind::Return), Some(7)));
        assert_eq!(
            (message.sender.as_deref(), message.texts().unwrap()),
            (Some(":1.0"), vec!["/org/job/7".to_owned()])
        );

        let error = answer(3, &[(4, b's', "org.E"), (8, b'g', "s")], &text("no"));
        let message = Message::parse(&error).unwrap();
        assert_eq!(
            (message.error_name.as_deref(), message.texts().unwrap()),
            (Some("org.E"), vec!["no".to_owned()])
        );

        let mut variant = vec![1, b's', 0, 0];
        variant.extend(text("a.service"));
        let message = Message::parse(&answer(2, &[(8, b'g', "v")], &variant)).unwrap();
        assert_eq!(message.text_in_variant().as_deref(), Some("a.service"));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_message_and_no_panic() {
        let whole =
            answer(2, &[(7, b's', ":1.0"), (8, b'g', "so")], &[text("a"), vec![0; 2], text("/b")].concat());
        for end in 0..whole.len() {
            assert_eq!(Message::parse(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                if let Some(message) = Message::parse(&changed) {
                    let _texts = message.texts();
                    let _text = message.text_in_variant();
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_or_of_another_order_is_refused() {
        let mut fixed = *answer(2, &[], &[]).first_chunk::<FIXED_BYTES>().unwrap();
        fixed[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(length(&fixed), None);
        fixed[4..8].copy_from_slice(&0_u32.to_le_bytes());
        assert!(length(&fixed).is_some());
        fixed[0] = b'B';
        assert_eq!(length(&fixed), None);
    }
}

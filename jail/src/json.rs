//! JSON as RFC 8259 has it, read into values of the script.
//!
//! Nothing else is accepted: no comment, no sum, no comma too many. Of two equal keys in an object neither is right, so
//! that is an error, and so is a whole number beyond 64 bits, which no value of a script could hold.

use std::fmt;

use rhai::{Array, Dynamic, INT, Map};

/// What is wrong with a text, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is the matter.
    pub reason: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at line {}, column {} of the text", self.reason, self.line, self.column)
    }
}

/// How much a text may hold. What it takes in memory is bounded by the arena.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Arrays and objects in each other.
    pub depth: usize,
    /// Elements of one array.
    pub elements: usize,
    /// Members of one object.
    pub members: usize,
}

/// Why there is no value.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is not JSON, or not such as a script can hold.
    Wrong(JsonError),
    /// An array is larger than arrays may be.
    ArrayTooLarge,
    /// An object is larger than maps may be.
    MapTooLarge,
}

/// Reads a text.
///
/// # Errors
/// When it is not JSON, or holds more than the limits.
pub fn read(text: &str, limits: JsonLimits) -> Result<Dynamic, Unread> {
    let mut reader = Reader { text, at: 0, limits };
    if text.starts_with('\u{feff}') {
        return Err(reader.wrong("a byte-order mark, which is no part of JSON,"));
    }
    reader.skip_blanks();
    let value = reader.value(0)?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.wrong("something behind the value")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    limits: JsonLimits,
}

type Read<T> = Result<T, Unread>;

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Read<Dynamic> {
        match self.peek() {
            Some(b'{') => self.object(self.deeper(depth)?),
            Some(b'[') => self.array(self.deeper(depth)?),
            Some(b'"') => self.string().map(Dynamic::from),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Dynamic::TRUE),
            Some(b'f') => self.word("false", Dynamic::FALSE),
            Some(b'n') => self.word("null", Dynamic::UNIT),
            Some(_) => Err(self.wrong("no value")),
            None => Err(self.wrong("the end of the text in place of a value")),
        }
    }

    fn deeper(&self, depth: usize) -> Read<usize> {
        if depth >= self.limits.depth {
            return Err(self.wrong(&format!("nesting deeper than {} levels", self.limits.depth)));
        }
        Ok(depth.saturating_add(1))
    }

    fn object(&mut self, depth: usize) -> Read<Dynamic> {
        let mut map = Map::new();
        self.step();
        self.skip_blanks();
        if self.takes(b'}') {
            return Ok(Dynamic::from_map(map));
        }
        loop {
            let begin = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key in quotes"));
            }
            let key = self.string()?;
            if map.contains_key(key.as_str()) {
                self.at = begin;
                return Err(self.wrong("a key that was there before"));
            }
            if map.len() >= self.limits.members {
                return Err(Unread::MapTooLarge);
            }
            self.skip_blanks();
            if !self.takes(b':') {
                return Err(self.wrong("no colon behind the key"));
            }
            self.skip_blanks();
            let value = self.value(depth)?;
            map.insert(key.into(), value);
            self.skip_blanks();
            if self.takes(b'}') {
                return Ok(Dynamic::from_map(map));
            }
            if !self.takes(b',') {
                return Err(self.wrong("neither a comma nor the end of the object"));
            }
            self.skip_blanks();
        }
    }

    fn array(&mut self, depth: usize) -> Read<Dynamic> {
        let mut array = Array::new();
        self.step();
        self.skip_blanks();
        if self.takes(b']') {
            return Ok(Dynamic::from_array(array));
        }
        loop {
            if array.len() >= self.limits.elements {
                return Err(Unread::ArrayTooLarge);
            }
            array.push(self.value(depth)?);
            self.skip_blanks();
            if self.takes(b']') {
                return Ok(Dynamic::from_array(array));
            }
            if !self.takes(b',') {
                return Err(self.wrong("neither a comma nor the end of the array"));
            }
            self.skip_blanks();
        }
    }

    fn string(&mut self) -> Read<String> {
        self.step();
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let end = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            string.push_str(rest.get(..end).unwrap_or_default());
            self.at = self.at.saturating_add(end);
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escaped()?),
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("the end of the text in a string")),
            }
        }
    }

    fn escaped(&mut self) -> Read<char> {
        let begin = self.at;
        self.step();
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.by_number(begin),
            _ => {
                self.at = begin;
                return Err(self.wrong("an escape that JSON does not have"));
            }
        };
        self.step();
        Ok(simple)
    }

    /// What stands behind `\u`, where characters beyond 16 bits are two halves.
    fn by_number(&mut self, begin: usize) -> Read<char> {
        let first = self.four_digits(begin)?;
        let code = match first {
            0xd800..=0xdbff if self.rest().starts_with("\\u") => {
                self.step();
                let second = self.four_digits(begin)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    self.at = begin;
                    return Err(self.wrong("half of a character"));
                }
                0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff)
            }
            other => other,
        };
        // Only a half is no character.
        char::from_u32(code).ok_or_else(|| {
            self.at = begin;
            self.wrong("half of a character")
        })
    }

    fn four_digits(&mut self, begin: usize) -> Read<u32> {
        self.step();
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            self.at = begin;
            return Err(self.wrong("an escape without its four hexadecimal digits"));
        };
        self.at = self.at.saturating_add(4);
        Ok(code)
    }

    fn number(&mut self) -> Read<Dynamic> {
        let begin = self.at;
        let wrong = |reader: &mut Self, reason: &str| {
            reader.at = begin;
            Err(reader.wrong(reason))
        };
        self.takes(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 {
            return wrong(self, "a minus without a number");
        }
        if leading_zero && whole > 1 {
            return wrong(self, "a number with a zero too many");
        }
        let mut is_whole = true;
        if self.takes(b'.') {
            is_whole = false;
            if self.digits() == 0 {
                return wrong(self, "a number without digits behind its point");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            if self.digits() == 0 {
                return wrong(self, "a number without digits in its exponent");
            }
        }
        let text = self.text.get(begin..self.at).unwrap_or_default();
        if is_whole {
            return match text.parse::<INT>() {
                Ok(number) => Ok(Dynamic::from_int(number)),
                Err(_) => wrong(self, "a whole number beyond 64 bits"),
            };
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Dynamic::from_float(number)),
            _ => wrong(self, "a number beyond the range of floats"),
        }
    }

    fn digits(&mut self) -> usize {
        let rest = self.rest().as_bytes();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at = self.at.saturating_add(count);
        count
    }

    fn word(&mut self, word: &str, value: Dynamic) -> Read<Dynamic> {
        if !self.rest().starts_with(word) {
            return Err(self.wrong("no value"));
        }
        self.at = self.at.saturating_add(word.len());
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                self.at = self.at.saturating_sub(word.len());
                Err(self.wrong("no value"))
            }
            _ => Ok(value),
        }
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest().as_bytes();
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at = self.at.saturating_add(blanks);
    }

    fn takes(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        if taken {
            self.step();
        }
        taken
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, what: &str) -> Unread {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        Unread::Wrong(JsonError {
            reason: format!("there is {what}"),
            line: before.matches('\n').count().saturating_add(1),
            column: before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1),
        })
    }
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;

//! What the bytes of an HTTP server say: the head of its answer, and where the body ends. All of it may be hostile.
//!
//! RFC 9112, read strictly: what readers could understand in two ways is no answer.

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Where it redirects to.
    pub location: Option<String>,
    /// Where its body ends.
    pub length: Length,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// After so many bytes.
    Bytes(u64),
    /// After a chunk of no bytes.
    Chunked,
    /// Where the connection is closed.
    UntilClose,
}

/// Most bytes of heads before the body.
pub const MOST_HEAD_BYTES: usize = 64 * 1024;

/// Where the head ends, if it does: behind its first empty line. Nothing before `from` is looked at.
pub fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = at.saturating_add(memchr::memchr(b'\n', bytes.get(at..)?)?).saturating_add(1);
        let rest = bytes.get(at..)?;
        if rest.starts_with(b"\n") {
            return Some(at.saturating_add(1));
        }
        if rest.starts_with(b"\r\n") {
            return Some(at.saturating_add(2));
        }
    }
}

/// Reads a head, to its empty line.
///
/// # Errors
/// Why it is none.
pub fn head(bytes: &[u8]) -> Result<Head, &'static str> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (is_old, status) =
        status(lines.next().unwrap_or_default()).ok_or("the server does not speak HTTP/1.1")?;
    let mut headers = 0_usize;
    let (mut location, mut length, mut is_chunked) = (None, None, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        headers = headers.saturating_add(1);
        if headers > MOST_HEADERS {
            return Err("the server sends too many headers");
        }
        let (name, value) = header(line).ok_or("the server sends a header that is none")?;
        if name.eq_ignore_ascii_case(b"location") {
            location.get_or_insert_with(|| String::from_utf8_lossy(value).into_owned());
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let bytes = number(value, 10).ok_or("the server sends a length that is none")?;
            if length.is_some_and(|length| length != bytes) {
                return Err("the server sends two lengths");
            }
            length = Some(bytes);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if is_chunked || is_old || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("the server uses a transfer encoding that nobody asked for");
            }
            is_chunked = true;
        }
    }
    let length = match (status, is_chunked, length) {
        (100..200 | 204 | 304, _, _) => Length::Bytes(0),
        (_, true, Some(_)) => return Err("the server says in two ways where its answer ends"),
        (_, true, None) => Length::Chunked,
        (_, false, Some(bytes)) => Length::Bytes(bytes),
        (_, false, None) => Length::UntilClose,
    };
    Ok(Head { status, location, length })
}

/// Whether the version is 1.0, and the status.
fn status(line: &[u8]) -> Option<(bool, u16)> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (version, rest) = rest.split_first()?;
    let rest = rest.strip_prefix(b" ")?;
    let (digits, rest) = rest.split_at_checked(3)?;
    if !matches!(version, b'0' | b'1') || !(rest.is_empty() || rest.starts_with(b" ")) || has_control(rest) {
        return None;
    }
    let status = u16::try_from(number(digits, 10)?).ok().filter(|status| *status >= 100)?;
    Some((*version == b'0', status))
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon.saturating_add(1)..)?);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) || has_control(value) {
        return None;
    }
    Some((name, value.trim_ascii()))
}

fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
}

/// Digits and nothing else; nothing when the number is beyond 64 bits.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    u64::from_str_radix(text, radix).ok()
}

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// The part of a line that has come.
    line: Vec<u8>,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of a body that says its length.
    Left(u64),
    UntilClose,
    /// The line before a chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of line behind a chunk.
    BehindChunk,
    /// Lines behind the last chunk.
    Trailer,
    Done,
}

impl Body {
    /// A body of which nothing has come.
    pub fn new(length: Length) -> Self {
        let state = match length {
            Length::Bytes(bytes) => State::Left(bytes),
            Length::UntilClose => State::UntilClose,
            Length::Chunked => State::Size,
        };
        Self { state, line: Vec::new(), trailer_bytes: 0 }
    }

    /// Whether all of it has come, where that does not need the end of the connection.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Done | State::Left(0))
    }

    /// Whether the end of the connection is its end.
    pub fn may_end_here(&self) -> bool {
        self.is_complete() || self.state == State::UntilClose
    }

    /// Takes what came, and puts what belongs to the body into `content`, until that has `most` bytes.
    ///
    /// # Errors
    /// Why it is no body.
    pub fn take(&mut self, mut came: &[u8], content: &mut Vec<u8>, most: usize) -> Result<(), &'static str> {
        while !came.is_empty() && content.len() < most && !self.is_complete() {
            let left = match self.state {
                State::Left(left) | State::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
                State::UntilClose => usize::MAX,
                _ => {
                    came = self.take_line(came)?;
                    continue;
                }
            };
            let count = came.len().min(left).min(most.saturating_sub(content.len()));
            let (taken, rest) = came.split_at(count);
            content.extend_from_slice(taken);
            came = rest;
            let less = |left: u64| left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            self.state = match self.state {
                State::Left(left) => State::Left(less(left)),
                State::Chunk(left) if less(left) == 0 => State::BehindChunk,
                State::Chunk(left) => State::Chunk(less(left)),
                state => state,
            };
        }
        Ok(())
    }

    /// Takes what belongs to a line, and does what the line says when it has ended.
    fn take_line<'a>(&mut self, came: &'a [u8]) -> Result<&'a [u8], &'static str> {
        let (part, rest, has_ended) = match memchr::memchr(b'\n', came) {
            Some(at) => (came.get(..at), came.get(at.saturating_add(1)..), true),
            None => (Some(came), None, false),
        };
        self.line.extend_from_slice(part.unwrap_or_default());
        if self.line.len() > MOST_LINE_BYTES {
            return Err("the server sends a line that is too long");
        }
        if has_ended {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            self.state = self.behind(line)?;
        }
        Ok(rest.unwrap_or_default())
    }

    /// What comes behind this line.
    fn behind(&mut self, line: &[u8]) -> Result<State, &'static str> {
        match self.state {
            State::Size => {
                // Extensions stand behind a semicolon; nobody knows any.
                let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
                match number(size, 16) {
                    Some(0) => Ok(State::Trailer),
                    Some(size) => Ok(State::Chunk(size)),
                    None => Err("the server sends a chunk without a size"),
                }
            }
            State::BehindChunk if line.is_empty() => Ok(State::Size),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => {
                self.trailer_bytes = self.trailer_bytes.saturating_add(line.len());
                if self.trailer_bytes > MOST_HEAD_BYTES {
                    return Err("the server sends too many headers");
                }
                Ok(State::Trailer)
            }
            _ => Err("the server sends a chunk that is longer than it says"),
        }
    }
}

/// What a redirect leads to, from this URL; nothing when it leads nowhere. The broker makes the canonical form of it.
///
/// RFC 3986, 5.2.2, without what the canonical form does anyway.
pub fn resolved(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if has_scheme {
        return Some(location.to_owned());
    }
    let (scheme, rest) = base.split_once("//")?;
    let (authority, target) = rest.split_at(rest.find('/')?);
    let path = target.split('?').next().unwrap_or_default();
    Some(match location.chars().next() {
        None => base.to_owned(),
        Some('/') if location.starts_with("//") => format!("{scheme}{location}"),
        Some('/') => format!("{scheme}//{authority}{location}"),
        Some('?') => format!("{scheme}//{authority}{path}{location}"),
        Some(_) => {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{scheme}//{authority}{directory}/{location}")
        }
    })
}

const MOST_HEADERS: usize = 256;
const MOST_LINE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, &'static str> {
        let bytes = text.as_bytes();
        assert_eq!(end_of_head(bytes, 0), Some(bytes.len()), "{text:?}");
        head(bytes)
    }

    #[test]
    fn a_head_has_a_status_and_says_where_the_body_ends() {
        let length = |text: &str| read(text).map(|head| (head.status, head.length));

        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", (200, Length::Bytes(5))),
            ("HTTP/1.1 200 OK\nContent-Length:5\n\n", (200, Length::Bytes(5))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n", (200, Length::Bytes(5))),
            ("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: Chunked\r\n\r\n", (404, Length::Chunked)),
            ("HTTP/1.0 200\r\n\r\n", (200, Length::UntilClose)),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", (204, Length::Bytes(0))),
            ("HTTP/1.1 304 x\r\ntransfer-encoding: chunked\r\n\r\n", (304, Length::Bytes(0))),
            (
                "HTTP/1.1 599 \r\nx-\u{e4}: y\r\n\r\n".replace("x-\u{e4}", "x").as_str(),
                (599, Length::UntilClose),
            ),
        ] {
            assert_eq!(length(text), Ok(expected), "{text:?}");
        }
        let moved = read("HTTP/1.1 302 Found\r\nLOCATION: \t/a b \r\nlocation: /c\r\n\r\n").unwrap();
        assert_eq!(moved.location.as_deref(), Some("/a b"));
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_no_head() {
        for text in [
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1 +20 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "http/1.1 200 OK\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n",
        ] {
            assert!(head(text.as_bytes()).is_err(), "{text:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1));
        assert!(head(many.as_bytes()).is_err());
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_is_cut() {
        let text = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nbody\n\n";
        for cut in 0..text.len() {
            let first = end_of_head(&text[..cut], 0);
            assert_eq!(first.is_some(), cut >= 25, "{cut}");
            assert_eq!(end_of_head(text, cut.min(25).saturating_sub(3)), Some(25), "{cut}");
        }
        assert_eq!(end_of_head(b"a\n\nb", 0), Some(3));
        assert_eq!(end_of_head(b"", 0), None);
    }

    /// The content, in whatever pieces it comes, and whether it is complete.
    fn content(length: Length, came: &[u8], most: usize) -> Result<(String, bool), &'static str> {
        let mut results = Vec::new();
        for piece in [1, 2, 3, 7, came.len().max(1)] {
            let (mut body, mut content) = (Body::new(length), Vec::new());
            let taken = came.chunks(piece).try_for_each(|part| body.take(part, &mut content, most));
            results.push(taken.map(|()| (String::from_utf8(content).unwrap(), body.is_complete())));
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
        results.remove(0)
    }

    #[test]
    fn bodies_end_where_they_say() {
        let complete = |text: &str| Ok((text.to_owned(), true));
        let cut = |text: &str| Ok((text.to_owned(), false));

        assert_eq!(content(Length::Bytes(3), b"abcdef", 100), complete("abc"));
        assert_eq!(content(Length::Bytes(0), b"abc", 100), complete(""));
        assert_eq!(content(Length::Bytes(u64::MAX), b"abc", 100), cut("abc"));
        assert_eq!(content(Length::UntilClose, b"abc", 100), cut("abc"));
        assert_eq!(content(Length::UntilClose, b"abc", 2), cut("ab"));
        let chunked = |text: &str, most| content(Length::Chunked, text.as_bytes(), most);
        assert_eq!(chunked("3\r\nabc\r\n0\r\n\r\n", 100), complete("abc"));
        assert_eq!(chunked("3\nabc\n1\nd\n0\n\n", 100), complete("abcd"));
        assert_eq!(chunked("A;x=y\r\n0123456789\r\n000\r\nt: u\r\n\r\nrest", 100), complete("0123456789"));
        assert_eq!(chunked("a\r\n0123456789\r\n0\r\n\r\n", 4), cut("0123"));
        assert_eq!(chunked("ffffffffffffffff\r\nabc", 100), cut("abc"));
        assert_eq!(chunked("3\r\nabc\r\n0\r\n", 100), cut("abc"));
    }

    #[test]
    fn chunks_that_make_no_sense_are_an_error() {
        for text in [
            "\r\nabc",
            "x\r\nabc",
            "-3\r\nabc",
            "+3\r\nabc",
            " 3\r\nabc",
            "0x3\r\nabc",
            "10000000000000000\r\nabc",
            "3\r\nabcd\r\n",
            "3\r\nabc0\r\n\r\n",
        ] {
            assert!(content(Length::Chunked, text.as_bytes(), 100).is_err(), "{text:?}");
        }
        let endless = format!("1;{}", "x".repeat(5000));
        assert!(content(Length::Chunked, endless.as_bytes(), 100).is_err());
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(20_000));
        assert!(content(Length::Chunked, trailers.as_bytes(), 100).is_err());
    }

    #[test]
    fn a_redirect_leads_from_where_it_stands() {
        for (location, expected) in [
            ("http://other/x", "http://other/x"),
            ("HTTPS://other", "HTTPS://other"),
            ("//other/x", "http://other/x"),
            ("/x", "http://h:81/x"),
            ("x", "http://h:81/a/x"),
            ("../x", "http://h:81/a/../x"),
            ("?q", "http://h:81/a/b?q"),
            ("#f", "http://h:81/a/b?c"),
            ("x#f", "http://h:81/a/x"),
            ("", "http://h:81/a/b?c"),
            ("x:y", "x:y"),
            ("./x:y", "http://h:81/a/./x:y"),
        ] {
            assert_eq!(resolved("http://h:81/a/b?c", location).as_deref(), Some(expected), "{location}");
        }
        assert_eq!(resolved("http://h/?a/b", "x").as_deref(), Some("http://h/x"));
    }
}

//! One exchange of HTTP and those that it is redirected to: the broker carries the bytes, and they are read here.

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::MAX_HOPS;
use rex_ipc::network::{BeginGet, Hop, ReadResponse};
use rhai::{EvalAltResult, INT, ImmutableString, NativeCallContext};

use super::http::{self, Body, Head, MOST_HEAD_BYTES};
use super::{URL, in_words_of_rex};
use crate::error::family::{Kind, Network, OTHER};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::string_limit;
use crate::session::{Failed, Session};
use crate::value::{self, parameter_number};

/// What requests are made with.
#[derive(Clone, Debug, Default)]
pub struct Client {
    max_text_size: Option<usize>,
}

/// A request that can be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// As the script gave it.
    pub url: ImmutableString,
    max_text_size: Option<usize>,
}

/// The answer of a server.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body, decoded as UTF-8.
    pub text: ImmutableString,
}

impl Client {
    /// A client of which requests keep only the first bytes of the answer.
    ///
    /// # Errors
    /// A text, for a negative number.
    pub fn with_limit(&self, size: INT) -> Fallible<Self> {
        Ok(Self { max_text_size: Some(parameter_number("size", size)?) })
    }

    /// A request for a URL.
    pub fn get(&self, url: ImmutableString) -> Request {
        Request { url, max_text_size: self.max_text_size }
    }
}

impl Request {
    /// How many bytes of the answer are kept, if there is a limit.
    pub fn max_text_size(&self) -> Option<INT> {
        self.max_text_size.map(value::integer)
    }

    /// Sends it, and whatever it is redirected to.
    ///
    /// # Errors
    /// `PermissionDenied`; `AuthorizationError`; `RequestError` when the exchange fails; `Other` when there is no URL, or what
    /// is kept of the body does not come whole; the limit on strings.
    pub fn send(&self, context: &NativeCallContext) -> Fallible<Response> {
        let session = Session::of(context);
        let exchange = Exchange { session: &session, line: value::line(context) };
        let mut url = self.url.to_string();
        let mut original = None;
        for hop in 0..=MAX_HOPS {
            let text = Text::new(url.as_str()).ok_or_else(|| exchange.no_url())?;
            let hop = Hop::new(hop).ok_or_else(|| exchange.no_url())?;
            let begun = session
                .ask(exchange.line, BeginGet { url: text, hop })
                .map_err(|failed| exchange.not_begun(failed))?;
            let reached = begun.url.into_string();
            let (head, came, has_ended) = exchange.head(&reached)?;
            let is_redirect = matches!(head.status, 301 | 302 | 303 | 307 | 308);
            let next = head.location.as_deref().filter(|_| is_redirect);
            match next.and_then(|location| http::resolved(&reached, location)) {
                Some(next) => url = next,
                None => return self.rest(&exchange, &head, &came, has_ended),
            }
            original.get_or_insert(reached);
        }
        let message = format!("{FAILED}error following redirect for url ({})", original.unwrap_or_default());
        Err(Kind::<Network>::error(REQUEST_ERROR, message))
    }

    /// The answer whose head was read, and of whose body this has come.
    fn rest(&self, exchange: &Exchange<'_>, head: &Head, came: &[u8], has_ended: bool) -> Fallible<Response> {
        let limit = string_limit(exchange.session);
        let most = self.max_text_size.unwrap_or(usize::MAX).min(limit.saturating_add(1));
        let mut body = Body::new(head.length);
        let (mut text, mut left) = (Lossy::default(), most);
        // What a part has of the body; its memory is taken once.
        let mut content = Vec::new();
        let wrong = |cause: &str| exchange.no_body(self.max_text_size, cause, None);
        let mut has_ended = has_ended;
        let mut keep = |body: &mut Body, part: &[u8], left: &mut usize| -> Result<(), &'static str> {
            content.clear();
            body.take(part, &mut content, *left)?;
            *left = left.saturating_sub(content.len());
            text.push(&content);
            Ok(())
        };
        keep(&mut body, came, &mut left).map_err(wrong)?;
        while !body.is_complete() && left > 0 {
            if has_ended {
                if body.may_end_here() {
                    break;
                }
                return Err(wrong("the server closed the connection in the middle"));
            }
            let part = exchange.part().map_err(|failed| {
                let cause = failed.failure.message.to_string();
                exchange.no_body(self.max_text_size, &cause, Some(failed))
            })?;
            has_ended = part.1;
            keep(&mut body, &part.0, &mut left).map_err(wrong)?;
        }
        let text = text.into_text();
        if text.len() > limit {
            return Err(too_large(TooLarge::Text));
        }
        Ok(Response { status: head.status, text })
    }
}

/// A text of bytes that come piece by piece; what is no character becomes U+FFFD, wherever the pieces end.
///
/// It is put together as what a script gets: a text in another form would be copied once more, and held twice. It has no more room
/// than twice what has come, whatever a server has promised.
#[derive(Default)]
struct Lossy {
    text: ImmutableString,
    /// The beginning of a character that may go on in the next piece.
    cut_off: Vec<u8>,
}

impl Lossy {
    fn push(&mut self, piece: &[u8]) {
        if self.cut_off.is_empty() {
            self.decode(piece);
        } else {
            let whole = [std::mem::take(&mut self.cut_off).as_slice(), piece].concat();
            self.decode(&whole);
        }
    }

    fn decode(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.text += chunk.valid();
            let stray = chunk.invalid();
            let may_go_on = || std::str::from_utf8(stray).is_err_and(|reason| reason.error_len().is_none());
            if chunks.peek().is_none() && may_go_on() {
                self.cut_off.extend_from_slice(stray);
            } else if !stray.is_empty() {
                self.text += REPLACEMENT;
            }
        }
    }

    fn into_text(mut self) -> ImmutableString {
        if !self.cut_off.is_empty() {
            self.text += REPLACEMENT;
        }
        self.text
    }
}

/// The conversation with the broker about one exchange.
struct Exchange<'s> {
    session: &'s Session,
    line: u32,
}

impl Exchange<'_> {
    /// The next bytes, and whether they are the last.
    fn part(&self) -> Result<(Vec<u8>, bool), Failed> {
        let part = self.session.ask(self.line, ReadResponse {})?;
        Ok((part.bytes.into_vec(), part.end))
    }

    /// The head of the answer, what has come of the body, and whether the connection has ended.
    fn head(&self, url: &str) -> Fallible<(Head, Vec<u8>, bool)> {
        let (mut bytes, mut from, mut passed_bytes, mut has_ended) = (Vec::new(), 0, 0_usize, false);
        loop {
            if let Some(end) = http::end_of_head(&bytes, from) {
                let rest = bytes.split_off(end);
                let head = http::head(&bytes).map_err(|cause| self.not_sent(url, cause, None))?;
                // RFC 9110, 15.2: there may be any number of these before the answer.
                if !(100..200).contains(&head.status) || head.status == SWITCHING_PROTOCOLS {
                    return Ok((head, rest, has_ended));
                }
                passed_bytes = passed_bytes.saturating_add(end);
                (bytes, from) = (rest, 0);
            } else {
                if passed_bytes.saturating_add(bytes.len()) > MOST_HEAD_BYTES {
                    return Err(self.not_sent(url, "the server sends more than 64 KiB of headers", None));
                }
                if has_ended {
                    return Err(self.not_sent(
                        url,
                        "the server closed the connection before it had answered",
                        None,
                    ));
                }
                from = bytes.len().saturating_sub(3);
                let (more, end) = self.part().map_err(|failed| {
                    let cause = failed.failure.message.to_string();
                    self.not_sent(url, &cause, Some(failed))
                })?;
                bytes.extend(more);
                has_ended = end;
            }
        }
    }

    fn no_url(&self) -> Box<EvalAltResult> {
        Kind::<Network>::error(OTHER, "failed to clone request")
    }

    /// The broker has not sent the request, and says why in the words of Rex.
    fn not_begun(&self, failed: Failed) -> Box<EvalAltResult> {
        let kind = if failed.failure.kind == ErrorKind::Other { OTHER } else { REQUEST_ERROR };
        Kind::<Network>::of(in_words_of_rex(self.session, failed, URL, URL), kind)
    }

    fn not_sent(&self, url: &str, cause: &str, failed: Option<Failed>) -> Box<EvalAltResult> {
        self.error(REQUEST_ERROR, format!("{FAILED}error sending request for url ({url})"), cause, failed)
    }

    fn no_body(&self, limit: Option<usize>, cause: &str, failed: Option<Failed>) -> Box<EvalAltResult> {
        let (kind, message) = match limit {
            None => (REQUEST_ERROR, "Failed to send a request: reason: error decoding response body"),
            Some(_) => (OTHER, "Failed to truncate response: reason: request or response body error"),
        };
        self.error(kind, message.to_owned(), cause, failed)
    }

    /// An error of the exchange. Rex hides the cause.
    fn error(
        &self,
        kind: &'static str,
        message: String,
        cause: &str,
        failed: Option<Failed>,
    ) -> Box<EvalAltResult> {
        let told = if self.session.is_rex_compat() { message } else { format!("{message}: {cause}") };
        match failed {
            Some(failed) if failed.is_denial() || failed.is_final() => {
                Kind::<Network>::of(in_words_of_rex(self.session, failed, URL, URL), kind)
            }
            Some(failed) => Kind::<Network>::error_from(kind, told, failed.number),
            None => Kind::<Network>::error(kind, told),
        }
    }
}

const REQUEST_ERROR: &str = "RequestError";
const FAILED: &str = "Failed to send a request: reason: ";
const SWITCHING_PROTOCOLS: u16 = 101;
const REPLACEMENT: &str = "\u{fffd}";

#[cfg(test)]
mod tests {
    use super::Lossy;
    use crate::testing::Bench;

    const URL: &str = "http://h/";

    fn serving(answers: &[(&str, &[&[u8]])]) -> Bench {
        let bench = Bench::new();
        for (url, parts) in answers {
            let parts = parts.iter().map(|part| part.to_vec()).collect();
            bench.world.borrow_mut().network.answers.insert((*url).into(), parts);
        }
        bench
    }

    fn answering(parts: &[&[u8]]) -> Bench {
        serving(&[(URL, parts)])
    }

    #[test]
    fn an_answer_has_a_status_and_a_text() {
        let whole: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let pieces: Vec<&[u8]> = whole.chunks(1).collect();
        let chunked: &[&[u8]] =
            &[b"HTTP/1.1 404 x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe", b"\r\n3\r\nllo\r\n0\r\n\r\n"];
        for (parts, status) in [(&[whole][..], 200), (&pieces, 200), (chunked, 404)] {
            let bench = answering(parts);
            for script in ["curl(\"http://h/\").to_map()", "Client().get(\"http://h/\").send().to_map()"] {
                let expected = format!("#{{\"status\": {status}, \"text\": \"hello\"}}");
                assert_eq!(bench.output(script), expected);
            }
        }
    }

    #[test]
    fn the_status_is_a_number_of_16_bits() {
        let bench = || answering(&[b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
        let script =
            "let r = curl(\"http://h/\"); [type_of(r.status), r.status.to_int(), type_of(r.to_map().status)]";

        assert_eq!(bench().output(script), r#"["u16", 200, "i64"]"#);
        assert_eq!(bench().like_rex().output(script), r#"["u16", 200, "i64"]"#);
        let script =
            "let r = curl(\"http://h/\"); [r.status == 200, r.status < 300, `${r}`, \"\" + r.status]";
        assert_eq!(bench().output(script), r#"[true, true, "status 200, 0 bytes", "200"]"#);
        let failure = bench().like_rex().failure("curl(\"http://h/\").status == 200");
        assert!(failure.starts_with("Function not found: == (u16, i64)"), "{failure}");
    }

    #[test]
    fn a_request_says_what_it_is() {
        let script = r#"
            let c = Client(); c.max_text_bytes(5); let r = c.get("x");
            let l = c.max_text_bytes(7).get("y");
            [r.url, r.method, r.max_text_size, l.max_text_size, l.to_map(), type_of(c), type_of(l)]
        "#;
        let expected = r##"["x", "Get", (), 7, #{"max_text_size": 7, "method": "Get", "url": "y"}, "Client", "Request"]"##;

        assert_eq!(Bench::new().output(script), expected);
        assert!(Bench::new().asked().is_empty());
        assert!(
            Bench::new()
                .failure("Client().max_text_bytes(-1)")
                .contains("Parameter 'size' conversion failed: out of range")
        );
    }

    #[test]
    fn bodies_are_text_whatever_they_are_and_cut_where_that_was_asked_for() {
        let body = "ab\u{e4}\u{1f600}".as_bytes();
        let answer = [b"HTTP/1.0 200 OK\r\n\r\n", body, b"\xff"].concat();
        let bench = answering(&[&answer]);

        assert_eq!(bench.output("curl(\"http://h/\").text"), "ab\u{e4}\u{1f600}\u{fffd}");
        for (limit, expected) in
            [(0, ""), (2, "ab"), (3, "ab\u{fffd}"), (4, "ab\u{e4}"), (100, "ab\u{e4}\u{1f600}\u{fffd}")]
        {
            let script = format!("Client().max_text_bytes({limit}).get(\"http://h/\").send().text");
            assert_eq!(bench.output(&script), expected, "{limit}");
        }
        let script = "Client().max_text_bytes(9223372036854775807).get(\"http://h/\").send().text.len()";
        assert_eq!(bench.output(script), "5");
    }

    #[test]
    fn what_comes_before_the_answer_is_passed_over() {
        let bench = answering(&[
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 None\r\n",
            b"\r\nrest",
        ]);

        assert_eq!(bench.output("curl(\"http://h/\").to_map()"), r##"#{"status": 204, "text": ""}"##);
    }

    #[test]
    fn redirects_are_asked_for_one_by_one() {
        let moved: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 9\r\n\r\n";
        let end: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
        let bench = serving(&[("http://h/a", &[moved]), ("http://h/b", &[end])]);

        assert_eq!(bench.output("curl(\"http://h/a\").text"), "x");
        assert_eq!(bench.asked().concat(), ["begin_get", "read_response", "begin_get", "read_response"]);
        let bench = bench.denying("GET", "http://h/b");
        let denied =
            "Permission denied: tester unauthorized to perform network::Action::\"GET\" for network::url::";
        assert!(bench.failure("curl(\"http://h/a\")").contains(&format!("{denied}http://h/b")));
        assert!(
            bench.like_rex().failure("curl(\"http://h/a\")").contains(&format!("{denied}\"http://h/b\""))
        );
        // Without a place to go it is an answer like any other.
        let nowhere = answering(&[b"HTTP/1.1 302 Found\r\ncontent-length: 1\r\n\r\nx"]);
        assert_eq!(nowhere.output("curl(\"http://h/\").text"), "x");
    }

    #[test]
    fn the_eleventh_redirect_is_one_too_many() {
        let around = answering(&[b"HTTP/1.1 301 Moved\r\nlocation: http://h/\r\n\r\n"]);

        let failure = around.failure("curl(\"http://h/\")");

        assert!(
            failure
                .contains("Failed to send a request: reason: error following redirect for url (http://h/)"),
            "{failure}"
        );
        assert_eq!(around.asked().concat().iter().filter(|name| **name == "begin_get").count(), 11);
    }

    #[test]
    fn what_is_no_answer_is_told_as_rex_tells_it_and_why() {
        let not_sent = "Failed to send a request: reason: error sending request for url (http://h/)";
        let not_read = "Failed to send a request: reason: error decoding response body";
        let no_text = "Failed to truncate response: reason: request or response body error";
        let long = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(20_000)].concat();
        let parts: Vec<&[u8]> = long.chunks(50_000).collect();
        let (plain, limited) = ("Client()", "Client().max_text_bytes(100)");
        let cases: [(&[&[u8]], &str, &str, &str); 8] = [
            (&[], plain, "RequestError", not_sent),
            (&[b"SSH-2.0-OpenSSH\r\n\r\n"], plain, "RequestError", not_sent),
            (&[b"HTTP/1.1 200 OK\r\ncontent-le"], plain, "RequestError", not_sent),
            (&parts, plain, "RequestError", not_sent),
            (&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"], plain, "RequestError", not_read),
            (&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx"], plain, "RequestError", not_read),
            (
                &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
                plain,
                "RequestError",
                not_read,
            ),
            (&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"], limited, "Other", no_text),
        ];
        for (parts, client, kind, message) in cases {
            let script = format!(
                "let r = (); try {{ {client}.get(\"http://h/\").send() }} catch (e) {{ r = [e.source, e.kind.to_string(), e.message] }} r"
            );
            let told = answering(parts).output(&script);
            assert!(told.starts_with(&format!(r#"["NetworkErrorKind", "{kind}", "{message}: "#)), "{told}");
            let told = answering(parts).like_rex().output(&script);
            assert_eq!(told, format!(r#"["NetworkErrorKind", "{kind}", "{message}"]"#));
        }
        // What was asked for has come.
        let enough = answering(&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"]);
        assert_eq!(enough.output("Client().max_text_bytes(3).get(\"http://h/\").send().text"), "abc");
        let stalls = answering(&[b"HTTP/1.1 200 OK\r\n"]);
        stalls.world.borrow_mut().network.stalls = true;
        assert!(
            stalls
                .failure("curl(\"http://h/\")")
                .contains(&format!("{not_sent}: the server does not answer"))
        );
    }

    // The property: where the parts end in which a body arrives shows nowhere in its text.
    #[test]
    fn a_text_is_the_same_however_it_arrives() {
        let alphabet = b"\xf4\x8f\xbc\xbf\xc3\xa9\xed\xa0\x80\xffa\xf0\x9f\xe2\x82\xac";
        let mut seed = 7_u32;
        for length in 0..200 {
            let next = |_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                alphabet[(seed >> 24) as usize % alphabet.len()]
            };
            let bytes: Vec<u8> = (0..length).map(next).collect();
            let expected = String::from_utf8_lossy(&bytes);
            for piece in [1, 2, 3, 5, 1000] {
                let mut text = Lossy::default();
                bytes.chunks(piece).for_each(|part| text.push(part));
                assert_eq!(text.into_text().as_str(), expected, "{bytes:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_within_a_character_is_the_text_that_it_would_be_whole() {
        let answer =
            [b"HTTP/1.1 200 OK\r\n\r\n", "a\u{e4}\u{20ac}\u{1f600}b".as_bytes(), b"\xf0\x9f"].concat();
        let parts: Vec<&[u8]> = answer.chunks(1).collect();

        assert_eq!(answering(&parts).output("curl(\"http://h/\").text"), "a\u{e4}\u{20ac}\u{1f600}b\u{fffd}");
    }

    #[test]
    fn a_body_beyond_the_limit_of_texts_ends_the_script() {
        let mut bench = answering(&[b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 50_000], &[b'x'; 50_000]]);
        bench.limits.string_bytes = 60_000;

        let ended = bench.run("try { curl(\"http://h/\") } catch (e) { }");

        assert!(ended.text.starts_with("Length of string too large"), "{}", ended.text);
        assert_eq!(
            bench.output("Client().max_text_bytes(60000).get(\"http://h/\").send().text.len()"),
            "60000"
        );
    }

    #[test]
    fn a_text_that_is_too_long_for_a_url_is_none() {
        let script = "let u = \"http://h/\"; u.pad(10000, 'a'); let r = ();
                      try { Client().get(u).send() } catch (e) { r = [e.kind.to_string(), e.message] } r";

        assert_eq!(Bench::new().output(script), r#"["Other", "failed to clone request"]"#);
    }
}

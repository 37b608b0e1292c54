//! The one form of a URL, and of a host, that decisions are made on: two texts that lead to one place have one form.
//!
//! Readers of URLs differ in what they make of rare spellings. What not every reader understands alike is refused here and not
//! interpreted: numbers of IPv4 in other forms than four decimal numbers, user information, backslashes, white space, names that
//! are not ASCII. See RFC 3986, section 6, and the URL Standard.

mod user;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A URL of the schemes `http` and `https`, in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub is_secure: bool,
    /// The host.
    pub host: Host,
    /// The port, also where it is that of the scheme.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// Whether the text had segments `.` or `..`, which the canonical form does not have.
    pub had_dot_segments: bool,
    /// Name and password that the text had, with a colon in between. No form of the URL has them.
    pub user: Option<Vec<u8>>,
}

/// A host, in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By a name, in lower case and without a dot behind it.
    Name(String),
    /// By its address: one of version 6 that stands for one of version 4 is that, and the unspecified address, by which the
    /// kernel takes this host, is the loopback address.
    Address(IpAddr),
}

/// Why a text is no URL that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAUrl {
    /// It is no URL, or has no host.
    NoUrl,
    /// It has another scheme.
    OtherScheme,
    /// It is one of a spelling that is refused.
    Refused(&'static str),
}

impl Url {
    /// Reads a text without user information.
    ///
    /// # Errors
    /// Why it cannot be fetched.
    pub fn parse(text: &str) -> Result<Self, NotAUrl> {
        Self::read(text, false)
    }

    /// Reads a text that may have user information.
    ///
    /// # Errors
    /// Why it cannot be fetched.
    pub fn parse_with_user(text: &str) -> Result<Self, NotAUrl> {
        Self::read(text, true)
    }

    /// Reads the URL of a proxy: of the scheme `http`, with nothing behind host and port.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn parse_proxy(text: &str) -> Result<Self, &'static str> {
        match Self::parse(text) {
            Ok(url) if !url.is_secure && url.target == "/" => Ok(url),
            Ok(_) => Err("a proxy is named as http://HOST:PORT"),
            Err(NotAUrl::Refused(why)) => Err(why),
            Err(NotAUrl::NoUrl | NotAUrl::OtherScheme) => Err("a proxy is named as http://HOST:PORT"),
        }
    }

    fn read(text: &str, takes_user: bool) -> Result<Self, NotAUrl> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if text.contains(is_odd) {
            return Err(NotAUrl::Refused("white space and control characters have to be percent-encoded"));
        }
        if text.contains('\\') {
            return Err(NotAUrl::Refused("a backslash has to be percent-encoded"));
        }
        let (scheme, rest) = text.split_once(':').ok_or(NotAUrl::NoUrl)?;
        let mut letters = scheme.chars();
        let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !is_scheme {
            return Err(NotAUrl::NoUrl);
        }
        let is_secure = scheme.eq_ignore_ascii_case("https");
        let is_known = is_secure || scheme.eq_ignore_ascii_case("http");
        let Some(rest) = rest.strip_prefix("//") else {
            return Err(if is_known {
                NotAUrl::Refused("two slashes belong behind the scheme")
            } else {
                NotAUrl::NoUrl
            });
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !is_known {
            return Err(if authority.is_empty() { NotAUrl::NoUrl } else { NotAUrl::OtherScheme });
        }
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) if takes_user => (Some(user::information(user)?), authority),
            Some(_) => return Err(NotAUrl::Refused("user information is not sent")),
            None => (None, authority),
        };
        let (host, port) = divided(authority)?;
        let host = Host::parse(host).map_err(NotAUrl::Refused)?;
        let port = port_of(port, if is_secure { HTTPS_PORT } else { HTTP_PORT })?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (path, had_dot_segments) = without_dots(&encoded(path, "")?);
        let query = query.map(|query| encoded(query, "?")).transpose()?;
        let target = path + &query.map_or_else(String::new, |query| format!("?{query}"));
        Ok(Self { is_secure, host, port, target, had_dot_segments, user })
    }

    /// The canonical form, with this address in place of the host.
    pub fn at(&self, address: IpAddr) -> String {
        Self { host: Host::Address(address), ..self.clone() }.to_string()
    }

    /// Host and port, as the header `host` has them.
    pub fn authority(&self) -> String {
        let usual = if self.is_secure { HTTPS_PORT } else { HTTP_PORT };
        let host = match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            host => host.to_string(),
        };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(out, "{scheme}://{}{}", self.authority(), self.target)
    }
}

impl Host {
    /// Reads a name or an address; one of version 6 stands in brackets.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix('[') {
            Some(rest) => {
                let address: Option<Ipv6Addr> =
                    rest.strip_suffix(']').and_then(|address| address.parse().ok());
                address
                    .map(|address| Self::of_address(address.into()))
                    .ok_or("what is in brackets is no address")
            }
            None => Self::named(text),
        }
    }

    /// Reads a name or an address, without brackets.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn bare(text: &str) -> Result<Self, &'static str> {
        match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self::of_address(address.into())),
            Err(_) => Self::named(text),
        }
    }

    fn named(text: &str) -> Result<Self, &'static str> {
        if !text.is_ascii() {
            return Err(
                "a name that is not ASCII has to be written in its form for DNS, which begins with xn--",
            );
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label =
            |label: &str| (1..=MOST_LABEL_BYTES).contains(&label.len()) && label.bytes().all(is_letter);
        if name.len() > MOST_NAME_BYTES || !name.split('.').all(is_label) {
            return Err("this is no name of a host");
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        let digits = last.strip_prefix("0x").unwrap_or(last);
        let is_hexadecimal = last.starts_with("0x") && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        // The URL Standard, "ends in a number checker".
        if is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
            let address: Option<Ipv4Addr> = name.parse().ok().filter(|it: &Ipv4Addr| it.to_string() == name);
            let address = address.ok_or("an address of IPv4 has to be written as four decimal numbers")?;
            return Ok(Self::of_address(address.into()));
        }
        Ok(Self::Name(name))
    }

    fn of_address(address: IpAddr) -> Self {
        Self::Address(reached(address))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(address) => address.fmt(out),
        }
    }
}

/// Whether an address is one that few names have: of this host, of a link, of many hosts.
pub fn is_special(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                // RFC 1122, 3.2.1.3: "this host on this network".
                || address.octets()[0] == 0
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified()
        }
    }
}

/// Where a connection to an address leads: one of version 6 that stands for one of version 4 leads there, and the kernel takes the
/// unspecified address for one of this host.
pub fn reached(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(it) if it.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(it) if it.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// The byte whose two digits follow.
fn encoded_byte(rest: &mut impl Iterator<Item = u8>) -> Result<u8, NotAUrl> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
        return Err(NotAUrl::Refused("behind a percent sign belong two hexadecimal digits"));
    };
    Ok(u8::try_from(high * 16 + low).unwrap_or_default())
}

/// Host and port of an authority.
fn divided(authority: &str) -> Result<(&str, &str), NotAUrl> {
    let end = match authority.starts_with('[') {
        true => authority.find(']').map_or(authority.len(), |at| at.saturating_add(1)),
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    if host.is_empty() {
        return Err(NotAUrl::Refused("there is no host"));
    }
    let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
    port.map(|port| (host, port)).ok_or(NotAUrl::Refused("behind the host stands what is no port"))
}

fn port_of(text: &str, usual: u16) -> Result<u16, NotAUrl> {
    if text.is_empty() {
        return Ok(usual);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port: Option<u16> = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or(NotAUrl::Refused("the port is none"))
}

/// A path or query in which everything is percent-encoded that has to be, in upper case, and nothing else; `more` may stand in
/// it as well.
fn encoded(text: &str, more: &str) -> Result<String, NotAUrl> {
    let mut encoded = String::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let (byte, was_encoded) = match byte {
            b'%' => (encoded_byte(&mut rest)?, true),
            plain => (plain, false),
        };
        let c = char::from(byte);
        let is_unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
        let may_stand = c.is_ascii() && ("!$&'()*+,;=:@/".contains(c) || more.contains(c));
        if is_unreserved || (!was_encoded && may_stand) {
            encoded.push(c);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(encoded)
}

/// A path without the segments `.` and `..`, and whether it had any; see RFC 3986, 5.2.4.
fn without_dots(path: &str) -> (String, bool) {
    let mut kept: Vec<&str> = Vec::new();
    let mut had_some = false;
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = segment == "." || segment == "..";
        had_some |= is_dots;
        if segment == ".." {
            kept.pop();
        }
        // What ends in one of them is a directory.
        match (is_dots, segments.peek()) {
            (true, Some(_)) => {}
            (true, None) => kept.push(""),
            (false, _) => kept.push(segment),
        }
    }
    (format!("/{}", kept.join("/")), had_some)
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// RFC 1035, 2.3.4.
const MOST_LABEL_BYTES: usize = 63;
const MOST_NAME_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    /// Spellings, and the form of each.
    const SPELLINGS: &[(&str, &str)] = &[
        ("http://localhost/", "http://localhost/"),
        ("HTTP://localhost/", "http://localhost/"),
        ("hTTp://LOCALHOST", "http://localhost/"),
        ("http://localhost.", "http://localhost/"),
        ("http://LocalHost.:80/", "http://localhost/"),
        ("http://localhost:", "http://localhost/"),
        ("http://localhost:80", "http://localhost/"),
        ("http://localhost:0080/", "http://localhost/"),
        ("http://localhost:8080", "http://localhost:8080/"),
        ("http://localhost:443/", "http://localhost:443/"),
        ("https://localhost:443/", "https://localhost/"),
        ("https://localhost:80/", "https://localhost:80/"),
        ("http://localhost#part", "http://localhost/"),
        ("http://localhost/#part?a", "http://localhost/"),
        ("http://localhost?a=1", "http://localhost/?a=1"),
        ("http://localhost/?", "http://localhost/?"),
        ("http://localhost/a?b?c#d", "http://localhost/a?b?c"),
        ("http://localhost/a/./b", "http://localhost/a/b"),
        ("http://localhost/a/../b", "http://localhost/b"),
        ("http://localhost/../../b", "http://localhost/b"),
        ("http://localhost/a/..", "http://localhost/"),
        ("http://localhost/a/b/..", "http://localhost/a/"),
        ("http://localhost/a/.", "http://localhost/a/"),
        ("http://localhost/a/%2e%2e/b", "http://localhost/b"),
        ("http://localhost/a/%2E./b", "http://localhost/b"),
        ("http://localhost/a/.%2e/%2e/b", "http://localhost/b"),
        ("http://localhost/public/../secret", "http://localhost/secret"),
        ("http://localhost/...", "http://localhost/..."),
        ("http://localhost/a//b", "http://localhost/a//b"),
        ("http://localhost//a", "http://localhost//a"),
        ("http://localhost/%61", "http://localhost/a"),
        ("http://localhost/%7euser", "http://localhost/~user"),
        ("http://localhost/%2fa", "http://localhost/%2Fa"),
        ("http://localhost/%2Fa", "http://localhost/%2Fa"),
        ("http://localhost/a%3fb", "http://localhost/a%3Fb"),
        ("http://localhost/%252e%252e/", "http://localhost/%252e%252e/"),
        ("http://localhost/%00", "http://localhost/%00"),
        ("http://localhost/%5c..%5Cx", "http://localhost/%5C..%5Cx"),
        ("http://localhost/?q=%41&r=%26", "http://localhost/?q=A&r=%26"),
        ("http://localhost/?q=../x", "http://localhost/?q=../x"),
        ("http://localhost/a|b^c`{d}<e>", "http://localhost/a%7Cb%5Ec%60%7Bd%7D%3Ce%3E"),
        ("http://localhost/?a[]=1", "http://localhost/?a%5B%5D=1"),
        ("http://localhost/ä", "http://localhost/%C3%A4"),
        ("http://localhost/%c3%a4", "http://localhost/%C3%A4"),
        ("http://localhost/?ä", "http://localhost/?%C3%A4"),
        ("http://127.0.0.1/", "http://127.0.0.1/"),
        ("http://127.0.0.1.", "http://127.0.0.1/"),
        ("http://0.0.0.0/", "http://127.0.0.1/"),
        ("http://[::]/", "http://[::1]/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://[::0001]:81", "http://[::1]:81/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[0000::0.0.0.1]/", "http://[::1]/"),
        ("http://[::ffff:127.0.0.1]/", "http://127.0.0.1/"),
        ("http://[::FFFF:7F00:1]/", "http://127.0.0.1/"),
        ("http://[::ffff:0.0.0.0]/", "http://127.0.0.1/"),
        ("http://[::ffff:169.254.169.254]/", "http://169.254.169.254/"),
        ("http://[FE80::1]/", "http://[fe80::1]/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://XN--Bcher-KVA.example/", "http://xn--bcher-kva.example/"),
        ("http://a_b.example/", "http://a_b.example/"),
        ("http://0x7f.example/", "http://0x7f.example/"),
        ("http://1.2.3.4.example/", "http://1.2.3.4.example/"),
    ];

    /// What is not interpreted.
    const REFUSED: &[&str] = &[
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://127.0.0.0x1/",
        "http://127.0.0.0x/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.256/",
        "http://127.0.0.1.1/",
        "http://256/",
        "http://user@localhost/",
        "http://user:word@localhost/",
        "http://localhost@other/",
        "http://@localhost/",
        "http://localhost:99999/",
        "http://localhost:0/",
        "http://localhost:+80/",
        "http://localhost:8a/",
        "http://localhost:80:80/",
        "http://[::1]80/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[127.0.0.1]/",
        "http://::1/",
        "http://local%68ost/",
        "http://127%2e0.0.1/",
        "http://bücher.example/",
        "http://１２７.0.0.1/",
        "http://ⓛocalhost/",
        "http://localhost../",
        "http://.localhost/",
        "http://a..b/",
        "http:///localhost/",
        "http:localhost/",
        "http:/localhost/",
        "http:\\\\localhost/",
        "http://localhost\\@other/",
        "http://localhost/a\\..\\b",
        " http://localhost/",
        "http://localhost/ ",
        "http://localhost/a b",
        "ht\ttp://localhost/",
        "http://local\nhost/",
        "http://localhost/\u{a0}",
        "http://localhost/\0",
        "http://localhost/%",
        "http://localhost/%2",
        "http://localhost/%zz",
        "http://localhost/?%u0041",
        "http://local,host/",
    ];

    #[test]
    fn every_spelling_of_a_place_has_one_form() {
        for (spelling, form) in SPELLINGS {
            let url = Url::parse(spelling).unwrap_or_else(|wrong| panic!("{spelling}: {wrong:?}"));

            assert_eq!(url.to_string(), *form, "{spelling}");
            // What is canonical stays as it is.
            assert_eq!(Url::parse(form).unwrap().to_string(), *form, "{form}");
        }
        assert!(SPELLINGS.len() + REFUSED.len() > 100);
    }

    #[test]
    fn what_readers_understand_differently_is_refused() {
        for spelling in REFUSED {
            let refused = Url::parse(spelling);

            assert!(matches!(refused, Err(NotAUrl::Refused(_))), "{spelling}: {refused:?}");
        }
        let long = format!("http://{}.example/", "a".repeat(64));
        assert!(matches!(Url::parse(&long), Err(NotAUrl::Refused(_))));
        let long = format!("http://{}example/", "abcdefghi.".repeat(25));
        assert!(matches!(Url::parse(&long), Err(NotAUrl::Refused(_))));
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        assert_eq!(Url::parse_proxy("http://Proxy.example:3128").unwrap().authority(), "proxy.example:3128");
        assert_eq!(Url::parse_proxy("http://[::1]:8080/").unwrap().port, 8080);
        for text in [
            "https://h:1/",
            "http://h:1/path",
            "http://h/?q",
            "http://u:p@h:1/",
            "h:3128",
            "socks5://h:1",
            "",
        ] {
            assert!(Url::parse_proxy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_and_what_has_another_scheme_are_told_apart() {
        for text in [
            "",
            "x",
            "localhost:80",
            "/etc/passwd",
            "//localhost/",
            "file:///etc/passwd",
            "mailto:a@b",
            "1http://x/",
            ":",
        ] {
            assert_eq!(Url::parse(text), Err(NotAUrl::NoUrl), "{text}");
        }
        for text in ["ftp://x/", "gopher://x", "httpss://localhost/", "file://host/etc/passwd"] {
            assert_eq!(Url::parse(text), Err(NotAUrl::OtherScheme), "{text}");
        }
    }

    #[test]
    fn dot_segments_are_noticed_however_they_are_written() {
        for text in ["http://h/a/../b", "http://h/a/%2e%2E/b", "http://h/.", "http://h/a/.?q"] {
            assert!(Url::parse(text).unwrap().had_dot_segments, "{text}");
        }
        for text in ["http://h/a..b/...", "http://h/?a/../b", "http://h/#../x", "http://h"] {
            assert!(!Url::parse(text).unwrap().had_dot_segments, "{text}");
        }
    }

    #[test]
    fn an_address_can_stand_in_place_of_the_name() {
        let url = Url::parse("http://name:81/a?b").unwrap();

        assert_eq!(url.at(Ipv4Addr::LOCALHOST.into()), "http://127.0.0.1:81/a?b");
        assert_eq!(url.at(Ipv6Addr::LOCALHOST.into()), "http://[::1]:81/a?b");
        assert_eq!(url.authority(), "name:81");
    }

    #[test]
    fn hosts_stand_alone_without_brackets() {
        let form = |text: &str| Host::bare(text).map(|host| host.to_string());

        for (text, expected) in [
            ("LOCALHOST.", "localhost"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("0:0::1", "::1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
        ] {
            assert_eq!(form(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", ".", "[::1]", "127.1", "a b", "fe80::1%eth0", "a:80", "*"] {
            assert!(form(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_this_host_of_a_link_and_of_many_are_special() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "0.1.2.3",
            "::ffff:169.254.1.1",
        ] {
            assert!(is_special(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(!is_special(text.parse().unwrap()), "{text}");
        }
    }
}

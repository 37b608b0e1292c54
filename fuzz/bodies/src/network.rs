//! What comes from servers, the bus and the kernel, and URLs: read as jail and broker read it, whatever it claims.

use std::net::IpAddr;

use rex_broker::host::systemd::unguarded::texts_of_message;
use rex_broker::policy::url::{Host, Url};
use rex_dns::Answer;
use rex_ipc::name;
use rex_ipc::network::AddressKind;
use rex_jail::disk::{activity, mounts};
use rex_jail::network::connections::{self, NetworkProtocol};
use rex_jail::network::http::{self, Body, Length};
use rex_jail::network::sockets;
use rex_jail::process::properties;

/// The answer of a server of HTTP: its head has one end, and its body is the same however it is cut, and no longer than it says.
pub fn http_answers(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let Some(end) = http::end_of_head(bytes, 0) else { return };
    assert!(end <= bytes.len() && bytes[..end].ends_with(b"\n"));
    // The reader goes on where it has looked already, less what may be cut.
    assert_eq!(http::end_of_head(bytes, end.saturating_sub(3)), Some(end));
    let (head, rest) = bytes.split_at(end);
    let Ok(head) = http::head(head) else { return };
    assert!((100..1000).contains(&head.status));
    if let Some(location) = &head.location {
        let led = http::resolved("http://a.example/x/y?z", location);
        assert!(led.is_none_or(|led| led.len() <= location.len() + 64), "{location:?}");
    }

    let read = |piece: usize| {
        let (mut body, mut content) = (Body::new(head.length), Vec::new());
        let error = rest.chunks(piece).find_map(|part| body.take(part, &mut content, MOST_CONTENT).err());
        (error, content, body.is_complete(), body.may_end_here())
    };
    let (whole, cut) = (read(usize::MAX), read(piece));
    assert_eq!(whole, cut, "in pieces of {piece}");
    assert!(whole.1.len() <= rest.len().min(MOST_CONTENT));
    if let Length::Bytes(most) = head.length {
        assert!(whole.1.len() as u64 <= most);
    }
}

/// The message of a name server: addresses of the version that was asked for, no more than it has room for, and nothing for
/// whoever has asked something else.
pub fn name_answers(bytes: &[u8]) {
    let id = bytes.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
    for kind in [AddressKind::V4, AddressKind::V6] {
        if let Ok(Answer::Addresses(found, _)) = rex_dns::read(bytes, id, "a.example", kind) {
            let is_asked = |address: &IpAddr| address.is_ipv4() == (kind == AddressKind::V4);
            assert!(found.iter().all(is_asked), "{found:?}");
            assert!(found.len() <= bytes.len() / LEAST_RECORD_BYTES);
            assert!(rex_dns::read(bytes, id, "b.example", kind).is_err(), "nobody asked about that");
        }
        assert!(rex_dns::read(bytes, id.wrapping_add(1), "a.example", kind).is_err(), "another number");
    }
}

/// Every URL has one form, which is read as itself, and so has every host.
pub fn url_forms(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(url) = Url::parse(text) {
        let form = url.to_string();
        let again = Url::parse(&form).unwrap_or_else(|wrong| panic!("{text:?}: {form:?}: {wrong:?}"));
        assert_eq!(again, Url { had_dot_segments: false, ..url.clone() }, "{text:?}");
        assert_eq!(again.to_string(), form);
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '#' | '@');
        let authority = form.split('/').nth(2).unwrap_or_default();
        assert!(form.chars().all(|c| c.is_ascii_graphic() && c != '#' && c != '\\'), "{form:?}");
        assert!(authority.chars().all(is_plain), "{form:?}");
        for address in [IpAddr::from([192, 0, 2, 7]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7])] {
            let there = Url::parse(&url.at(address)).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"));
            assert_eq!((there.host, there.target), (Host::Address(address), url.target.clone()));
        }
        if let Some(led) = http::resolved(&form, text) {
            assert_eq!(Url::parse(&led).ok().map(|url| url.to_string()), Some(form), "to itself: {text:?}");
        }
    }
    if let Ok(host) = Host::parse(text) {
        let form = match &host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            host => host.to_string(),
        };
        assert_eq!(Host::parse(&form), Ok(host), "{text:?}");
    }
}

/// Messages of the bus and the properties in them: nothing that is longer than they are, and no text with an end in it.
pub fn bus_messages(bytes: &[u8]) {
    let names = ["Id", "ActiveState", "MainPID", "Names", "LoadState"];
    if let Some(found) = properties::read(bytes, &names) {
        for (name, _) in &found {
            assert!(names.contains(&name.as_str()), "{name:?} was not asked for");
        }
        assert!(found.len() <= bytes.len());
    }
    if let Some(texts) = texts_of_message(bytes) {
        assert!(texts.iter().all(|text| !text.contains('\0')));
        assert!(texts.iter().map(String::len).sum::<usize>() <= bytes.len());
    }
}

/// The kernel's tables, in which names of anybody stand: read or refused with the line, and no entry without a line.
pub fn kernel_tables(bytes: &[u8]) {
    let table = name::to_text(bytes);
    let lines = table.lines().count();
    for (_, protocol) in NetworkProtocol::ALL {
        match connections::parse(&table, *protocol) {
            Ok(found) => assert!(found.len() < lines.max(1)),
            Err(line) => assert!((2..=lines).contains(&line), "line {line} of {lines}"),
        }
    }
    match sockets::parse(&table) {
        Ok(found) => assert!(found.len() <= table.split('\n').count()),
        Err(line) => assert!(line > 1),
    }
    assert!(activity::device_names(&table).len() <= lines);
    for mount in mounts::parse(&table) {
        assert!(mount.mounted_on.len() <= 3 * table.len(), "a byte becomes at most three");
        assert!(mount.options().len() <= mount.options.split(',').count());
    }
}

const MOST_CONTENT: usize = 1 << 16;
/// A name of one byte, type, class, time, length, and an address.
const LEAST_RECORD_BYTES: usize = 15;

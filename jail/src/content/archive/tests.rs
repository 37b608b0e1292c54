//! Archives as tools make them, and as nobody should.

use super::*;

/// Content in pieces of seven bytes, so that every boundary falls into some piece.
struct Memory {
    content: Vec<u8>,
    at: usize,
}

impl Pieces for Memory {
    fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
        let piece: Vec<u8> = self.content[self.at..].iter().take(7).copied().collect();
        self.at += piece.len();
        Ok(if piece.is_empty() { None } else { Some(piece) })
    }
}

fn header(name: &str, kind: EntryType, size: u64, more: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    more(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.resize(content.len().next_multiple_of(512), 0);
    bytes
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length).unwrap();
    format!("{length}{rest}").into_bytes()
}

fn extension(records: &[u8]) -> Vec<u8> {
    [header("x", EntryType::XHeader, records.len() as u64, |_| {}), padded(records)].concat()
}

fn all(parts: &[Vec<u8>]) -> Vec<(String, MemberKind, Vec<u8>)> {
    let mut archive = ArchiveReader::new(Memory { content: [parts.concat(), vec![0; 1024]].concat(), at: 0 });
    let mut found = Vec::new();
    while let Some(member) = archive.next_member().unwrap() {
        let mut content = Vec::new();
        while let Some(part) = archive.next_content(5).unwrap() {
            content.extend(part);
        }
        found.push((String::from_utf8(member.name).unwrap(), member.kind, content));
    }
    found
}

fn octal(field: &mut [u8], number: u64) {
    field.copy_from_slice(format!("{number:0width$o} ", width = field.len() - 1).as_bytes());
}

// The GNU tar manual, "Storing Sparse Files": the old form, and the three of extension headers.
#[test]
fn sparse_files_are_whole_in_every_form() {
    let expected = b"\0\0\0\0ab\0\0\0cd\0".to_vec();
    let old = |count: usize| {
        let mut blocks = vec![header("s", EntryType::GNUSparse, 4, |header| {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.set_real_size(12);
            let places = [(4, 2), (9, 2)];
            for (place, (offset, length)) in gnu.sparse.iter_mut().zip(places).take(count) {
                octal(&mut place.offset, offset);
                octal(&mut place.numbytes, length);
            }
            gnu.set_is_extended(count < 2);
        })];
        if count < 2 {
            let mut more = GnuExtSparseHeader::new();
            octal(&mut more.sparse_mut()[0].offset, 9);
            octal(&mut more.sparse_mut()[0].numbytes, 2);
            blocks.push(more.as_bytes().to_vec());
        }
        blocks.push(padded(b"abcd"));
        blocks.concat()
    };
    let plain = |records: &[Vec<u8>], content: &[u8]| {
        let file = header("GNUSparseFile.0/s", EntryType::Regular, content.len() as u64, |_| {});
        [extension(&records.concat()), file, padded(content)].concat()
    };
    let zero_zero = plain(
        &[
            record("path", "s"),
            record("GNU.sparse.size", "12"),
            record("GNU.sparse.numblocks", "2"),
            record("GNU.sparse.offset", "4"),
            record("GNU.sparse.numbytes", "2"),
            record("GNU.sparse.offset", "9"),
            record("GNU.sparse.numbytes", "2"),
        ],
        b"abcd",
    );
    let zero_one = plain(
        &[
            record("GNU.sparse.size", "12"),
            record("GNU.sparse.name", "s"),
            record("GNU.sparse.map", "4,2,9,2"),
        ],
        b"abcd",
    );
    let one = plain(
        &[
            record("GNU.sparse.major", "1"),
            record("GNU.sparse.minor", "0"),
            record("GNU.sparse.name", "s"),
            record("GNU.sparse.realsize", "12"),
        ],
        &[padded(b"2\n4\n2\n9\n2\n"), b"abcd".to_vec()].concat(),
    );
    let after = [header("after", EntryType::Regular, 1, |_| {}), padded(b"z")].concat();

    for form in [old(2), old(1), zero_zero, zero_one, one] {
        assert_eq!(
            all(&[form, after.clone()]),
            [
                ("s".into(), MemberKind::File, expected.clone()),
                ("after".into(), MemberKind::File, b"z".to_vec())
            ]
        );
    }
}

#[test]
fn an_entry_that_makes_no_sense_is_passed_over_and_the_next_one_found() {
    let after = [header("after", EntryType::Regular, 1, |_| {}), padded(b"z")].concat();
    let file = [header("f", EntryType::Regular, 3, |_| {}), padded(b"abc")].concat();
    let long = vec![b'n'; MOST_RECORD_BYTES + 1];
    let malformed = "its map of holes is malformed";
    for (parts, reason) in [
        (vec![extension(b"nonsense"), file.clone()], "a record of its extension header is malformed"),
        (vec![extension(&record("GNU.sparse.major", "2")), file.clone()], malformed),
        (vec![extension(&record("GNU.sparse.map", "0,9")), file.clone()], malformed),
        (
            vec![header("x", EntryType::GNULongName, long.len() as u64, |_| {}), padded(&long), file.clone()],
            "its name is too long",
        ),
        (
            vec![header("x", EntryType::XHeader, long.len() as u64, |_| {}), padded(&long), file.clone()],
            "its extension header is too long",
        ),
        (
            vec![
                header("f", EntryType::GNUSparse, 3, |header| {
                    header.as_gnu_mut().unwrap().sparse[0].offset = *b"nonsense!!!!";
                    header.as_gnu_mut().unwrap().sparse[0].numbytes = *b"nonsense!!!!";
                }),
                padded(b"abc"),
            ],
            malformed,
        ),
    ] {
        let found = all(&[parts.concat(), after.clone()]);

        let [(name, kind, _), last] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((name.as_str(), *kind), ("f", MemberKind::Skipped(reason)));
        assert_eq!(*last, ("after".into(), MemberKind::File, b"z".to_vec()));
    }
}

#[test]
fn what_the_extension_says_counts_for_one_entry() {
    let parts = [
        extension(&[record("path", "named"), record("size", "2")].concat()),
        header("f", EntryType::Regular, 0, |_| {}),
        padded(b"ab"),
        header("g", EntryType::Regular, 1, |_| {}),
        padded(b"c"),
    ];

    assert_eq!(
        all(&parts),
        [("named".into(), MemberKind::File, b"ab".to_vec()), ("g".into(), MemberKind::File, b"c".to_vec())]
    );
}

#[test]
fn numbers_are_octal_or_of_base_256_and_may_be_less_than_zero() {
    for (field, number) in [
        (&b"0000644\0"[..], Some(0o644)),
        (b"   644 \0", Some(0o644)),
        (b"77777777777\0", Some(0o77_777_777_777)),
        (b"777777777777", Some(0o777_777_777_777)),
        (b"-0000001\0\0\0\0", Some(-1)),
        (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(0x2_0000_0000)),
        (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i128::from(i64::MAX))),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
        (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some((1 << 94) - 1)),
        (b"\xc0\0\0\0\0\0\0\0\0\0\0\0", Some(-(1 << 94))),
        (b"", None),
        (b"\0\0\0\0\0\0\0\0", None),
        (b"        ", None),
        (b"12x4567\0", None),
        (b"0000008\0", None),
        (b"-\0\0\0\0\0\0\0", None),
    ] {
        assert_eq!(number_in(field), number, "{field:x?}");
    }
}

#[test]
fn a_size_that_is_none_is_an_error_and_a_large_one_is_believed() {
    let sized =
        |size: &[u8; 12]| header("f", EntryType::Regular, 0, |header| header.as_old_mut().size = *size);
    let next = |content| ArchiveReader::new(Memory { content, at: 0 }).next_member();

    assert!(next(sized(b"nonsense!!!!")).unwrap_err().to_string().contains("the size of f is not a number"));
    assert!(next(sized(&[0xff; 12])).is_err());
    let mut large = [0; 12];
    (large[0], large[6]) = (0x80, 1);
    let mut archive = ArchiveReader::new(Memory { content: sized(&large), at: 0 });
    assert_eq!(archive.next_member().unwrap().unwrap().kind, MemberKind::File);
    assert_eq!(archive.stored_left, 1 << 40);
}

#[test]
fn labels_are_passed_over_and_dumps_are_directories() {
    let of = |kind: u8, size| header("label", EntryType::new(kind), size, |_| {});
    let blank = header("label", EntryType::new(b'V'), 0, |header| header.as_old_mut().size = [0; 12]);
    let file = [header("f", EntryType::Regular, 1, |_| {}), padded(b"z")].concat();
    let found = all(&[
        blank,
        file.clone(),
        of(b'D', 5),
        padded(b"Yf\0\0\0"),
        extension(&record("path", "not this one")),
        of(b'V', 0),
        file,
        of(b'M', 3),
        padded(b"abc"),
    ]);

    let expected: [(String, MemberKind, Vec<u8>); 4] = [
        ("f".into(), MemberKind::File, b"z".to_vec()),
        ("label".into(), MemberKind::Directory, Vec::new()),
        ("f".into(), MemberKind::File, b"z".to_vec()),
        ("label".into(), MemberKind::Skipped("it is the rest of a file in another archive"), Vec::new()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_said_of_all_entries_counts_until_one_says_more() {
    let global = |records: &[u8]| {
        [header("g", EntryType::XGlobalHeader, records.len() as u64, |_| {}), padded(records)].concat()
    };
    let file = || header("f", EntryType::Regular, 0, |header| header.set_mtime(7));
    let content = [
        global(&[record("mtime", "5.5"), record("uid", "9"), record("path", "ignored")].concat()),
        file(),
        extension(&record("mtime", "-1.5")),
        file(),
        global(&record("mtime", "")),
        file(),
        vec![0; 1024],
    ];
    let mut archive = ArchiveReader::new(Memory { content: content.concat(), at: 0 });
    let mut next = || {
        let member = archive.next_member().unwrap().unwrap();
        (member.name, member.modified, member.user.number)
    };

    let at = |seconds, nanoseconds| Some(Instant { seconds, nanoseconds });
    assert_eq!(next(), (b"f".to_vec(), at(5, 500_000_000), Some(9)));
    assert_eq!(next(), (b"f".to_vec(), at(-2, 500_000_000), Some(9)));
    assert_eq!(next(), (b"f".to_vec(), at(7, 0), Some(9)));
}

#[test]
fn the_name_of_what_a_link_leads_to_may_be_long() {
    let long = "long/".repeat(60);
    let link = header("l", EntryType::Link, 0, |header| header.set_link_name_literal("short").unwrap());
    let named = |content: Vec<u8>| {
        let member = ArchiveReader::new(Memory { content, at: 0 }).next_member().unwrap().unwrap();
        (member.kind, String::from_utf8(member.link).unwrap())
    };
    let gnu = [header("k", EntryType::GNULongLink, long.len() as u64, |_| {}), padded(long.as_bytes())];

    assert_eq!(named(link.clone()), (MemberKind::HardLink, "short".into()));
    assert_eq!(named([gnu.concat(), link.clone()].concat()).1, long);
    assert_eq!(named([extension(&record("linkpath", &long)), link].concat()).1, long);
}

#[test]
fn names_lead_below_or_nowhere() {
    for (name, path) in [
        (&b"a/b"[..], Ok("a/b")),
        (b"./a//./b/", Ok("a/b")),
        (b".", Ok("")),
        (b"...", Ok("...")),
        (b"a\xff", Ok("a\u{10FFFF}")),
        (b"/a", Err("its name is absolute")),
        (b"a/..", Err("its name leads out of the directory")),
        (b"a\0b", Err("its name contains NUL")),
    ] {
        assert_eq!(path_below(name), path.map(String::from), "{}", String::from_utf8_lossy(name));
    }
}

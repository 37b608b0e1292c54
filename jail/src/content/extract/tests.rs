//! What an archive becomes below a directory, and what it does not.

use std::io::Write;

use tar::{Builder, EntryType, Header};

use crate::testing::{Bench, Node};

const EXTRACT: &str = r#"
    let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
    let t = DirConfig().path("/t").build().open(OpenDirOptions().build());
    let archive = d.open_file("a.tgz", OpenFileOptions().read(true).build());
"#;

fn archive(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    gzip(&builder.into_inner().unwrap())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Adds an entry under a name that the builder would refuse.
fn add(builder: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, mode: u32, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1_000_000_000);
    header.set_uid(7);
    header.set_gid(8);
    header.set_username("packer").unwrap();
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn bench(archive: impl AsRef<[u8]>) -> Bench {
    Bench::new().file("/d/a.tgz", archive).dir("/t")
}

fn extracted(bench: &Bench, options: &str) {
    assert_eq!(
        bench.output(&format!(
            "{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions(){options}.build())"
        )),
        ""
    );
}

#[test]
fn files_come_first_and_directories_after_them_from_the_bottom() {
    let content = archive(|builder| {
        add(builder, b"a/", EntryType::Directory, 0o700, b"");
        add(builder, b"a/b/", EntryType::Directory, 0o555, b"");
        add(builder, b"./a/b/f", EntryType::Regular, 0o640, b"content");
        add(builder, b"empty", EntryType::Regular, 0o600, b"");
    });
    let bench = bench(content);

    extracted(&bench, "");

    assert_eq!((bench.content("/t/a/b/f"), bench.content("/t/empty")), ("content".into(), "".into()));
    let mode = |path: &str| bench.traits(path).mode.map(|mode| mode & 0o7777);
    assert_eq!((mode("/t/a"), mode("/t/a/b"), mode("/t/a/b/f")), (Some(0o700), Some(0o555), Some(0o640)));
    assert_eq!(bench.traits("/t/a/b/f").modified.map(|time| time.seconds), Some(1_000_000_000));
    assert_eq!(bench.traits("/t/a/b/f").owner, None);
    let made: Vec<String> = bench
        .world
        .borrow()
        .calls
        .iter()
        .flat_map(|call| call.requests.clone())
        .filter_map(|request| match request {
            rex_ipc::interface::Request::MakeDir(make) => Some(make.path.into_string()),
            rex_ipc::interface::Request::BeginFile(begin) => Some(begin.path.into_string()),
            _ => None,
        })
        .collect();
    // First as closed as they will be, and open enough for what comes into them.
    assert_eq!(made, ["a", "a/b", "a/b/f", "empty", "a/b", "a"]);
    let modes: Vec<u16> = (bench.world.borrow().calls.iter().flat_map(|call| call.requests.clone()))
        .filter_map(|request| match request {
            rex_ipc::interface::Request::MakeDir(make) => make.attributes.mode.map(|mode| mode.bits()),
            _ => None,
        })
        .collect();
    assert_eq!(modes, [0o700, 0o755, 0o555, 0o700]);
    assert_eq!(bench.log(), Vec::<String>::new());
}

#[test]
fn what_is_kept_is_chosen() {
    let content = archive(|builder| add(builder, b"f", EntryType::Regular, 0o4755, b"x"));

    let plain = bench(&content);
    extracted(&plain, ".preserve_permissions(false).preserve_timestamps(false)");
    let owned = bench(&content);
    extracted(&owned, ".preserve_ownership(true)");

    let traits = plain.traits("/t/f");
    assert_eq!((traits.mode, traits.owner, traits.modified), (None, None, None));
    // A set-user-ID bit of an archive is never set.
    let traits = owned.traits("/t/f");
    assert_eq!(traits.mode.map(|mode| mode & 0o7777), Some(0o755));
    assert_eq!((traits.owner.as_deref(), traits.group.as_deref()), (Some("packer"), Some("8")));
}

#[test]
fn nothing_is_made_outside_and_no_link_or_device() {
    let content = archive(|builder| {
        for name in [&b"../out"[..], b"a/../../out", b"/abs", b"..", b".", b""] {
            add(builder, name, EntryType::Regular, 0o644, b"x");
        }
        add(builder, b"../dir/", EntryType::Directory, 0o755, b"");
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::new(b'~')]
        {
            add(builder, b"special", kind, 0o644, b"");
        }
        add(builder, b"good", EntryType::Regular, 0o644, b"x");
    });
    let bench = bench(content);

    extracted(&bench, ".best_effort(true)");

    let world = bench.world.borrow();
    let made: Vec<&String> = world.nodes.keys().filter(|path| !path.starts_with("/d")).collect();
    assert_eq!(made, ["/", "/t", "/t/good"]);
    let reasons: Vec<&str> =
        world.logs.iter().map(|log| log.message.as_str().rsplit(": ").next().unwrap()).collect();
    assert_eq!(
        reasons,
        [
            "its name leads out of the directory",
            "its name leads out of the directory",
            "its name is absolute",
            "its name leads out of the directory",
            "its name is empty",
            "its name is empty",
            "its name leads out of the directory",
            "it is a symbolic link",
            "its name is empty",
            "it is a device",
            "it is a FIFO",
            "it is of a type that is not known",
        ]
    );
}

#[test]
fn one_entry_s_failure_does_not_stop_the_others() {
    let content = archive(|builder| {
        add(builder, b"denied", EntryType::Regular, 0o644, &vec![b'x'; 200_000]);
        add(builder, b"full", EntryType::Regular, 0o644, b"full disk");
        add(builder, b"good", EntryType::Regular, 0o644, b"x");
    });
    let bench = bench(content).denying("create", "/t/denied");

    extracted(&bench, ".best_effort(true)");

    assert!(bench.has("/t/good") && !bench.has("/t/denied") && !bench.has("/t/full"));
    let log = bench.log();
    assert!(log[0].contains("denied was not extracted: Permission denied: "), "{log:?}");
    assert!(log[1].contains("full was not extracted: No space left on device"), "{log:?}");
    // What was begun and not finished was given back.
    let asked = bench.asked().concat();
    assert_eq!(asked.iter().filter(|name| **name == "abandon_write").count(), 1);
}

#[test]
fn large_files_come_in_pieces() {
    let noise: Vec<u8> =
        (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let content = archive(|builder| add(builder, b"big", EntryType::Regular, 0o644, &noise));
    let bench = bench(content).chunks_of(777);

    extracted(&bench, "");

    let world = bench.world.borrow();
    assert!(matches!(&world.nodes["/t/big"], Node::File(found) if *found == noise));
}

#[test]
fn any_name_is_kept_and_long_ones_too() {
    let long = format!("{}/f", "long/".repeat(60));
    let content = archive(|builder| {
        add(builder, b"\xff\xfe", EntryType::Regular, 0o644, b"bytes");
        let mut header = Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, &long, &b"long"[..]).unwrap();
        let records = [("path", &b"new\nline"[..]), ("mtime", b"5.5")];
        builder.append_pax_extensions(records).unwrap();
        add(builder, b"ignored", EntryType::Regular, 0o644, b"pax");
    });
    let bench = bench(content);

    extracted(&bench, "");

    assert_eq!(bench.content("/t/\u{10FFFF}\u{10FFFE}"), "bytes");
    assert_eq!(bench.content(&format!("/t/{}", long.replace("//", "/"))), "long");
    assert_eq!(bench.content("/t/new\nline"), "pax");
    let modified = bench.traits("/t/new\nline").modified.unwrap();
    assert_eq!((modified.seconds, modified.nanoseconds), (5, 500_000_000));
}

#[test]
fn what_is_no_archive_fails_and_what_is_cut_short_fails_at_the_cut() {
    let whole = archive(|builder| {
        add(builder, b"dir/", EntryType::Directory, 0o755, b"");
        add(builder, b"first", EntryType::Regular, 0o644, b"1");
        add(builder, b"second", EntryType::Regular, 0o644, &[0; 3000]);
    });
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(whole.as_slice()), &mut plain).unwrap();
    let script = format!("{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions().build())");

    for (content, reason) in [
        (b"not an archive".to_vec(), "IoError: invalid gzip header"),
        (plain.clone(), "IoError: invalid gzip header"),
        (gzip(b"text that is no archive, although it is compressed"), "IoError: unexpected end of file"),
        (gzip(&[b'x'; 1024]), "IoError: archive header checksum mismatch"),
        (gzip(&plain[..2500]), "IoError: unexpected end of file"),
    ] {
        let is_cut = content == gzip(&plain[..2500]);
        let bench = bench(content);
        let failure = bench.failure(&script);
        assert!(failure.contains(reason), "{failure}");
        assert_eq!((bench.has("/t/first"), bench.has("/t/dir")), (is_cut, is_cut));
        assert!(!bench.has("/t/second"));
    }
}

const WHY: &str = r#"
    let why = "ok";
    try { archive.extract_archive(t, ExtractArchiveOptions()OPTIONS.build()) } catch (e) { why = `${e.kind}: ${e.message}` }
    why
"#;

fn outcome(bench: &Bench, options: &str) -> String {
    bench.output(&format!("{EXTRACT}{}", WHY.replace("OPTIONS", options)))
}

#[test]
fn what_is_left_out_is_an_error_unless_it_is_said_otherwise() {
    for (kind, name, reason) in [
        (EntryType::Symlink, &b"l"[..], "it is a symbolic link"),
        (EntryType::Fifo, b"l", "it is a FIFO"),
        (EntryType::Block, b"l", "it is a device"),
        (EntryType::Char, b"l", "it is a device"),
        (EntryType::Regular, b"../l", "its name leads out of the directory"),
        (EntryType::Regular, b"/l", "its name is absolute"),
        (EntryType::new(b'M'), b"l", "it is the rest of a file in another archive"),
        (EntryType::new(b'~'), b"l", "it is of a type that is not known"),
    ] {
        let content = archive(|builder| {
            add(builder, b"before", EntryType::Regular, 0o644, b"x");
            add(builder, name, kind, 0o644, b"");
            add(builder, b"after", EntryType::Regular, 0o644, b"x");
        });
        let said = format!("{} was not extracted: {reason}", String::from_utf8_lossy(name));

        let fails = bench(&content);
        assert_eq!(outcome(&fails, ""), format!("UnsupportedOperationError: {said}"));
        assert!(fails.has("/t/before") && fails.has("/t/after"), "{said}");
        for lenient in [bench(&content), bench(&content).like_rex()] {
            let options = if lenient.rex_compat { "" } else { ".best_effort(true)" };
            assert_eq!(outcome(&lenient, options), "ok");
            assert!(lenient.log()[0].contains(&said), "{:?}", lenient.log());
        }
    }
}

#[test]
fn a_denial_that_leaves_something_out_is_one() {
    let content = archive(|builder| {
        add(builder, b"a", EntryType::Regular, 0o644, b"x");
        add(builder, b"b", EntryType::Regular, 0o644, b"x");
    });
    let bench = bench(content).denying("create", "/t/a").denying("write", "/t/b");

    let ended = bench.run(&format!("{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions().build())"));

    assert!(ended.text.starts_with("IoErrorKind: PermissionDenied: a was not extracted: "), "{}", ended.text);
    assert!(ended.text.contains("; 1 more were not extracted either"), "{}", ended.text);
    assert!(ended.outcome.ended_by.is_some());
}

/// Adds a hard link.
fn link(builder: &mut Builder<Vec<u8>>, name: &str, target: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Link);
    header.set_size(0);
    header.set_mode(0o640);
    header.set_mtime(1_000_000_000);
    builder.append_link(&mut header, name, target).unwrap();
}

#[test]
fn a_hard_link_is_a_file_with_the_content_it_leads_to() {
    let large = vec![b'x'; 200_000];
    let content = archive(|builder| {
        add(builder, b"dir/file", EntryType::Regular, 0o640, &large);
        link(builder, "other/link", "dir/file");
        link(builder, "second", "./other/link");
        add(builder, b"twice", EntryType::Regular, 0o644, b"old");
        add(builder, b"twice", EntryType::Regular, 0o644, b"new");
        link(builder, "of-the-last", "twice");
        for number in 0..20 {
            link(builder, &format!("many/{number}"), "twice");
        }
        add(builder, b"twice", EntryType::Regular, 0o644, b"too late");
    });
    let bench = bench(content).chunks_of(5_000);

    assert_eq!(outcome(&bench, ""), "ok");

    for path in ["/t/dir/file", "/t/other/link", "/t/second"] {
        assert_eq!(bench.bytes(path), large, "{path}");
        assert_eq!(bench.traits(path).mode.map(|mode| mode & 0o7777), Some(0o640));
    }
    assert_eq!(bench.content("/t/of-the-last"), "new");
    assert!((0..20).all(|number| bench.content(&format!("/t/many/{number}")) == "new"));
    assert!(bench.log().is_empty());
}

#[test]
fn a_hard_link_to_what_is_not_there_or_is_not_permitted_is_left_out() {
    let nothing = "no file that it links to stands before it in the archive";
    for (target, reason) in [
        ("missing", nothing),
        ("later", nothing),
        ("l", nothing),
        ("dir", nothing),
        ("../outside", "its name leads out of the directory"),
        ("/etc/passwd", "its name is absolute"),
    ] {
        let content = archive(|builder| {
            add(builder, b"dir/", EntryType::Directory, 0o755, b"");
            link(builder, "l", target);
            add(builder, b"later", EntryType::Regular, 0o644, b"x");
        });
        let bench = bench(content);

        let said = format!("UnsupportedOperationError: l was not extracted: {reason}");
        assert_eq!(outcome(&bench, ""), said, "{target}");
        assert!(bench.has("/t/later") && !bench.has("/t/l"));
    }
    let content = archive(|builder| {
        add(builder, b"file", EntryType::Regular, 0o644, b"x");
        link(builder, "l", "file");
    });
    let denied = bench(&content).denying("write", "/t/l");
    assert!(outcome(&denied, "").starts_with("PermissionDenied: l was not extracted: "));
    assert!(!denied.has("/t/l"));
    let as_in_rex = bench(&content).like_rex();
    assert_eq!(outcome(&as_in_rex, ""), "ok");
    assert!(as_in_rex.log()[0].contains("it is a hard link") && !as_in_rex.has("/t/l"));
}

#[test]
fn an_owner_that_cannot_be_said_is_nobody_else() {
    let content = archive(|builder| {
        let mut header = Header::new_gnu();
        header.as_old_mut().uid = [0xff; 8];
        header.as_old_mut().gid = [0xff; 8];
        header.set_size(0);
        builder.append_data(&mut header, "f", &b""[..]).unwrap();
    });
    let bench = || bench(&content);

    assert!(outcome(&bench(), ".preserve_ownership(true)").contains("its owner is nobody that a system has"));
    assert_eq!(outcome(&bench(), ""), "ok");
}

#[test]
fn an_incremental_dump_keeps_its_directories_and_a_time_before_1970() {
    let content = archive(|builder| {
        add(builder, b"weekly", EntryType::new(b'V'), 0, b"");
        add(builder, b"./private/", EntryType::new(b'D'), 0o700, b"Ya\0\0");
        add(builder, b"./private/a", EntryType::Regular, 0o600, b"a");
        add(builder, b"./empty/", EntryType::new(b'D'), 0o751, b"\0");
        let mut header = Header::new_gnu();
        header.as_old_mut().mtime = [0xff; 12];
        header.set_mode(0o644);
        header.set_size(0);
        builder.append_data(&mut header, "old", &b""[..]).unwrap();
    });
    let bench = bench(content);

    assert_eq!(outcome(&bench, ""), "ok");

    let mode = |path: &str| bench.traits(path).mode.map(|mode| mode & 0o7777);
    assert_eq!((mode("/t/private"), mode("/t/empty")), (Some(0o700), Some(0o751)));
    assert_eq!(bench.traits("/t/private").modified.map(|time| time.seconds), Some(1_000_000_000));
    assert_eq!(bench.traits("/t/old").modified.map(|time| time.seconds), Some(-1));
    assert!(bench.log().is_empty() && !bench.has("/t/weekly"));
}

#[test]
fn an_archive_of_nothing_makes_nothing() {
    for content in [gzip(b""), archive(|_| {})] {
        let bench = bench(content);

        extracted(&bench, "");

        assert!(bench.log().is_empty());
    }
}

#[test]
fn an_archive_of_links_does_not_fill_the_log() {
    let content = archive(|builder| {
        for _ in 0..1_100 {
            add(builder, b"l", EntryType::Symlink, 0o777, b"");
        }
    });
    let mut bench = bench(content);
    bench.limits.operations = 0;

    extracted(&bench, ".best_effort(true)");

    let log = bench.log();
    assert_eq!(log.len(), 1_001);
    assert!(log[1_000].contains("100 more entries were not extracted"), "{}", log[1_000]);
}

#[test]
fn the_question_is_asked_before_anything_is_made() {
    let content = archive(|builder| add(builder, b"f", EntryType::Regular, 0o644, b"x"));
    let bench = bench(content).denying("read", "/d/a.tgz");

    assert!(
        bench
            .failure(&format!("{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions().build())"))
            .contains("PermissionDenied")
    );
    assert!(!bench.has("/t/f"));
}

#[test]
fn more_directories_than_can_wait_are_made_before_the_end() {
    let content = archive(|builder| {
        for number in 0..24_500 {
            let name = format!("{number:0>98}/");
            add(builder, name.as_bytes(), EntryType::Directory, 0o755, b"");
        }
        add(builder, b"last", EntryType::Regular, 0o644, b"x");
    });
    let mut bench = bench(content);
    bench.limits.operations = 0;

    extracted(&bench, "");

    let asked = bench.asked().concat();
    let place = |name: &str| asked.iter().position(|asked| *asked == name);
    assert!(place("make_dir") < place("begin_file"));
    assert_eq!(asked.iter().filter(|name| **name == "make_dir").count(), 49_000);
}

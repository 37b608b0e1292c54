//! Archives that other programs have made, unpacked by a script.
//!
//! GNU tar and Python's `tarfile` are needed, and a test without them fails.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use rex_tests::scratch::Scratch;
use serde_json::Value;

use super::people::{place, run, text};

/// What is packed, and how it is unpacked.
const UNPACK: &str = r#"
    let here = DirConfig().path(dir).build().open(OpenDirOptions().build());
    let out = DirConfig().path(dir + "/out").build().open(OpenDirOptions().create(true).build());
    here.open_file("a.tgz", OpenFileOptions().read(true).build())
        .extract_archive(out, ExtractArchiveOptions().preserve_ownership(owned).build());
    here = 0;
"#;

fn shell(scratch: &Scratch, script: &str) {
    let done = Command::new("/bin/sh")
        .args(["-euc", script])
        .current_dir(scratch.path())
        .output()
        .expect("there is a shell");
    assert!(done.status.success(), "{script}: {}", text(&done.stderr));
}

fn python(scratch: &Scratch, script: &str) {
    let done = Command::new("python3")
        .args(["-c", script])
        .current_dir(scratch.path())
        .output()
        .expect("there is a python3");
    assert!(done.status.success(), "{script}: {}", text(&done.stderr));
}

/// Unpacks `a.tgz`; gives the error, or nothing.
fn unpack(scratch: &Scratch, more: &[&str]) -> Option<String> {
    let dir = format!("dir={}", scratch.path().display());
    let words = ["script.rhai", "--policy", "policy.cedar", "--json", "--arg", &dir];
    let owned: &[&str] = if more.contains(&"owned:json=true") { &[] } else { &["--arg", "owned:json=false"] };
    let owned_words: Vec<&str> = more.iter().flat_map(|word| ["--arg", *word]).collect();
    let output = run(scratch, &[&words, owned, &owned_words].concat()).output().expect("it can be started");
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    document["error"]["message"]
        .as_str()
        .or(document["error_message"].as_str())
        .map(str::to_owned)
        .or_else(|| (document["status"] != "SUCCESS").then(|| document.to_string()))
}

fn mode(scratch: &Scratch, path: &str) -> u32 {
    fs::metadata(scratch.path().join(path)).unwrap().mode() & 0o7777
}

fn seconds(scratch: &Scratch, path: &str) -> i64 {
    fs::metadata(scratch.path().join(path)).unwrap().mtime()
}

#[test]
fn what_gnu_tar_packs_comes_back_as_it_was() {
    for options in ["--format=gnu", "--format=posix", "--format=gnu -V weekly", "--format=gnu -g snapshot"] {
        let scratch = place(UNPACK);
        shell(
            &scratch,
            &format!(
                r#"mkdir -p s/spool/empty s/private s/plain
                echo a > s/private/a; chmod 600 s/private/a
                echo text > s/plain/file; ln s/plain/file s/plain/second; ln s/plain/file s/zzz
                chmod 755 s/plain; chmod 700 s/private; chmod 751 s/spool/empty
                touch -d 1969-07-20T20:17:40Z s/plain/file
                long=$(printf 'n%.0s' $(seq 120)); mkdir -p "s/$long"; echo long > "s/$long/$long"
                ln "s/$long/$long" "s/$long/link"
                touch -d 2001-09-09T01:46:40Z s/private s/spool/empty s/spool s/plain
                tar -C s -czf a.tgz {options} ."#
            ),
        );

        assert_eq!(unpack(&scratch, &[]), None, "{options}");

        let read = |path: &str| fs::read_to_string(scratch.path().join("out").join(path)).unwrap();
        for name in ["plain/file", "plain/second", "zzz"] {
            assert_eq!(read(name), "text\n", "{options}: {name}");
            assert_eq!(seconds(&scratch, &format!("out/{name}")), -14_182_940, "{options}: {name}");
        }
        let long = "n".repeat(120);
        assert_eq!(
            (read(&format!("{long}/{long}")), read(&format!("{long}/link"))),
            ("long\n".into(), "long\n".into())
        );
        for (path, bits) in
            [("private", 0o700), ("private/a", 0o600), ("spool/empty", 0o751), ("plain", 0o755)]
        {
            assert_eq!(mode(&scratch, &format!("out/{path}")), bits, "{options}: {path}");
        }
        for path in ["private", "spool/empty", "spool", "plain"] {
            assert_eq!(seconds(&scratch, &format!("out/{path}")), 1_000_000_000, "{options}: {path}");
        }
    }
}

#[test]
fn an_archive_that_is_filled_up_with_zeros_or_comes_in_members_is_read() {
    for command in [
        "head -c 5000 /dev/zero >> a.tgz",
        "tar -cf a.tar s; head -c 700 a.tar | gzip > a.tgz; head -c 99 /dev/zero >> a.tgz; tail -c +701 a.tar | gzip >> a.tgz",
    ] {
        let scratch = place(UNPACK);
        shell(&scratch, &format!("mkdir s; echo text > s/file; tar -czf a.tgz s; {command}"));

        assert_eq!(unpack(&scratch, &[]), None, "{command}");
        assert_eq!(fs::read_to_string(scratch.path().join("out/s/file")).unwrap(), "text\n");
    }
}

#[test]
fn sparse_files_of_gnu_tar_are_whole() {
    for options in [
        "--format=gnu",
        "--format=posix --sparse-version=0.0",
        "--format=posix --sparse-version=0.1",
        "--format=posix --sparse-version=1.0",
    ] {
        let scratch = place(UNPACK);
        shell(
            &scratch,
            &format!(
                "mkdir s; truncate -s 1M s/holes; printf head | dd of=s/holes conv=notrunc status=none
                printf tail | dd of=s/holes bs=1 seek=700000 conv=notrunc status=none
                tar -C s -S -czf a.tgz {options} holes"
            ),
        );

        assert_eq!(unpack(&scratch, &[]), None, "{options}");
        let (packed, unpacked) = ("s/holes", "out/holes");
        assert_eq!(
            fs::read(scratch.path().join(packed)).unwrap(),
            fs::read(scratch.path().join(unpacked)).unwrap(),
            "{options}"
        );
    }
}

#[test]
fn numbers_beyond_octal_are_understood_in_every_format_of_python() {
    let pack = |format: &str, uid: i64, mtime: &str| {
        format!(
            r#"import io, tarfile
with tarfile.open("a.tgz", "w:gz", format=tarfile.{format}) as archive:
    entry = tarfile.TarInfo("dir/f"); entry.size = 4; entry.mode = 0o640
    entry.uid = entry.gid = {uid}; entry.mtime = {mtime}
    archive.addfile(entry, io.BytesIO(b"text"))
    link = tarfile.TarInfo("link"); link.type = tarfile.LNKTYPE; link.linkname = "dir/f"; link.mode = 0o640; link.mtime = {mtime}
    archive.addfile(link)"#
        )
    };
    for format in ["GNU_FORMAT", "PAX_FORMAT"] {
        for (mtime, expected) in [("-1", -1), ("-10**9", -1_000_000_000), ("2**33", 1 << 33), ("5", 5)] {
            let scratch = place(UNPACK);
            python(&scratch, &pack(format, 2_097_152, mtime));

            assert_eq!(unpack(&scratch, &[]), None, "{format} {mtime}");
            for name in ["out/dir/f", "out/link"] {
                assert_eq!(fs::read_to_string(scratch.path().join(name)).unwrap(), "text");
                assert_eq!(
                    (seconds(&scratch, name), mode(&scratch, name)),
                    (expected, 0o640),
                    "{format} {mtime} {name}"
                );
            }
        }
        let scratch = place(UNPACK);
        python(&scratch, &pack(format, -5, "5"));
        let refused = unpack(&scratch, &["owned:json=true"]).expect("nobody has such a number");
        assert!(
            refused.contains("dir/f was not extracted: its owner is nobody that a system has"),
            "{refused}"
        );
    }
}

#[test]
fn what_is_left_out_of_an_archive_ends_the_script() {
    let scratch = place(UNPACK);
    shell(&scratch, "mkdir s; echo x > s/file; ln -s file s/link; mkfifo s/pipe; tar -C s -czf a.tgz .");

    let refused = unpack(&scratch, &[]).expect("a link is left out");

    assert!(refused.contains(" was not extracted: it is a "), "{refused}");
    assert!(refused.contains("; 1 more were not extracted either"), "{refused}");
    assert_eq!(fs::read_to_string(scratch.path().join("out/file")).unwrap(), "x\n");
}

//! `rex-verify`, and `rex-audit verify`: reads a directory and a public key, and says whether everything is there.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::arguments::Arguments;
use super::keys::{key_of, note_in, verifier_key};
use super::{Failure, conclude};
use crate::directory::Directory;
use crate::verify::{Knowledge, Verified};

/// Runs `rex-verify` with the arguments behind the program's name.
pub fn verify(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return conclude("rex-verify", Ok(HELP.to_owned()));
    }
    if arguments.iter().any(|argument| argument == "--version") {
        return conclude(
            "rex-verify",
            Ok(concat!("rex-verify ", env!("CARGO_PKG_VERSION"), "\n").to_owned()),
        );
    }
    conclude("rex-verify", run(arguments.into_iter()))
}

/// What a verification says, or why it failed.
pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> Result<String, Failure> {
    let mut arguments =
        Arguments::parse(arguments, &["--vkey", "--vkey-file", "--older", "--witness", "--log"])?;
    let key = verifier_key(&mut arguments)?;
    let older = arguments.all("--older").into_iter().map(|path| {
        let note = note_in(Path::new(&path))?;
        Ok((path.display().to_string(), note))
    });
    let older = older.collect::<Result<_, Failure>>()?;
    let witnesses = arguments.all("--witness").into_iter().map(key_of).collect::<Result<_, Failure>>()?;
    let log = arguments.once("--log")?.map(Into::into);
    let directory = arguments.next("the directory of the log")?;
    arguments.end()?;
    let known = Knowledge { key, older, witnesses, log };
    let verified = crate::verify::verify(&Directory::open(&directory)?, &known)?;
    Ok(told(&verified, &known))
}

fn told(verified: &Verified, known: &Knowledge) -> String {
    let checkpoint = &verified.checkpoint;
    let mut text = format!("verified: {} records of {}\n", checkpoint.size, checkpoint.origin);
    text += &format!("root: {}\n", crate::base64::encode(&checkpoint.root));
    if verified.first_entry > 0 {
        let first = verified.first_entry;
        text += &format!(
            "pruned: of the records before {first} only the hashes are there, as the key's holder has signed\n"
        );
    }
    for (name, _) in &known.older {
        text += &format!("goes on from: {name}\n");
    }
    for (name, seconds) in &verified.cosigned {
        text += &format!("witnessed: by {name}, {seconds} seconds after 1970\n");
    }
    if let Some(unsealed) = verified.unsealed {
        text += &format!("record file: as sealed, and {unsealed} lines that are not sealed yet\n");
    }
    text
}

const HELP: &str = "\
Reads a sealed log and says whether it is whole and as it was signed.

Usage: rex-verify DIR --vkey NAME+ID+KEY [--older CHECKPOINT]... [--witness KEY]... [--log FILE]

  DIR                the directory of the sealed log; nothing in it is believed
  --vkey KEY         the public key of the log, which has to come by another way than the log
  --vkey-file FILE   the file with that key
  --older FILE       a checkpoint that was kept elsewhere: the log has to go on from it. Without one, and without a
                     witness, a log that its holder has cut or written anew cannot be told from the real one
  --witness KEY      a witness that has to have signed the checkpoint
  --log FILE         the record file, which is compared as well

Exit status: 0 everything holds; 1 something was changed, removed, exchanged, cut, or is not signed by this key; 64 the
command line is wrong; 74 something cannot be read; 78 a key or file cannot be used.

Examples:
  rex-verify /srv/evidence/2026-11 --vkey-file log.vkey
  rex-verify /mnt/copy --vkey-file log.vkey --older checkpoint.of-last-month
";

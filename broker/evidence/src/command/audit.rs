//! `rex-audit`: makes a log's key, seals records, and answers questions about what is sealed.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::arguments::{Arguments, number, text};
use super::keys::{key_of, make_signing_key, note_in, read, signing_key, verifier_key};
use super::{Failure, conclude, print, printable, verifying, write_out};
use crate::base64;
use crate::checkpoint;
use crate::directory::Directory;
use crate::error::Error;
use crate::key::{SigningKey, check_name};
use crate::note;
use crate::proof::{self, Proof};
use crate::query;
use crate::records::{blob_path, stands_for};
use crate::seal::{Sealed, Sealer};
use crate::witness;

/// Runs `rex-audit` with the arguments behind the program's name.
pub fn audit(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = arguments.next();
    let arguments: Vec<OsString> = arguments.collect();
    let asks_for_help = |argument: &OsString| argument == "--help" || argument == "-h";
    let outcome = match command.as_ref().map(|command| command.to_string_lossy()).as_deref() {
        None => Err(Failure::Usage("a command is missing".to_owned())),
        Some("--help" | "-h" | "help") => Ok(HELP.to_owned()),
        Some(_) if arguments.iter().any(asks_for_help) => Ok(HELP.to_owned()),
        Some("--version") => Ok(concat!("rex-audit ", env!("CARGO_PKG_VERSION"), "\n").to_owned()),
        Some(command) => run(command, arguments.into_iter()),
    };
    conclude("rex-audit", outcome)
}

fn run(command: &str, arguments: impl Iterator<Item = OsString>) -> Result<String, Failure> {
    let known: &[&'static str] = match command {
        "init" => &["--name", "--key"],
        "seal" => &["--key", "--log", "--follow"],
        "prune" => &["--key", "--before"],
        "check" => &["--vkey", "--vkey-file", "--record"],
        "witnessed" => &["--vkey", "--vkey-file", "--witness"],
        "prove" | "consistency" | "show" | "tail" | "request" => &["--vkey", "--vkey-file"],
        "verify" => return verifying::run(arguments),
        _ => return Err(Failure::Usage(format!("there is no command {command}"))),
    };
    let arguments = Arguments::parse(arguments, known)?;
    match command {
        "init" => init(arguments),
        "seal" => seal(arguments),
        "prune" => prune(arguments),
        "check" => check(arguments),
        "prove" => prove(arguments),
        "consistency" => consistency(arguments),
        "show" => show(arguments),
        "request" => request(arguments),
        "witnessed" => witnessed(arguments),
        _ => tail(arguments),
    }
}

fn init(mut arguments: Arguments) -> Result<String, Failure> {
    let name = text(arguments.required("--name")?)?;
    let file = arguments.required("--key")?;
    let directory = arguments.next("the directory of the log")?;
    arguments.end()?;
    check_name(&name)?;
    let made = DirBuilder::new().recursive(true).mode(0o750).create(&directory);
    made.map_err(|error| Error::system(format!("make {}", directory.display()), error))?;
    let held = Directory::open_to_write(&directory)?;
    if held.read(checkpoint::FILE, note::MOST_BYTES)?.is_some() {
        let why = format!("{} is sealed already", directory.display());
        return Err(Error::refused(why).into());
    }
    let key = make_signing_key(Path::new(&file), &name)?;
    Ok(format!("{}\n", key.verifier()))
}

fn seal(mut arguments: Arguments) -> Result<String, Failure> {
    let file = arguments.required("--key")?;
    let log = arguments.required("--log")?;
    let follow = arguments.once("--follow")?.map(number).transpose()?;
    let directory = arguments.next("the directory of the log")?;
    arguments.end()?;
    let key = signing_key(Path::new(&file))?;
    let directory = Directory::open_to_write(&directory)?;
    let mut sealer = Sealer::begin(Path::new(&log), &directory, &key)?;
    let Some(seconds) = follow else {
        return Ok(told(&sealer.advance(&directory, &key)?));
    };
    loop {
        // Asked before the last lines are read, so that none is left in a file that is renamed meanwhile.
        let has_its_name = sealer.has_its_name()?;
        let sealed = sealer.advance(&directory, &key)?;
        if sealed.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.size > sealed.before) {
            print(&told(&sealed))?;
        }
        if !has_its_name {
            return Ok(format!("{} has another name now, and is sealed to its end\n", log.display()));
        }
        std::thread::sleep(Duration::from_secs(seconds.max(1)));
    }
}

fn told(sealed: &Sealed) -> String {
    match &sealed.checkpoint {
        None => "nothing to seal: there is no record yet\n".to_owned(),
        Some(checkpoint) if checkpoint.size == sealed.before => {
            format!("up to date: {} records\n", checkpoint.size)
        }
        Some(checkpoint) => {
            format!("sealed: {} records, {} of them new\n", checkpoint.size, checkpoint.size - sealed.before)
        }
    }
}

fn prune(mut arguments: Arguments) -> Result<String, Failure> {
    let file = arguments.required("--key")?;
    let before = number(arguments.required("--before")?)?;
    let directory = arguments.next("the directory of the log")?;
    arguments.end()?;
    let key: SigningKey = signing_key(Path::new(&file))?;
    let directory = Directory::open_to_write(&directory)?;
    let first = crate::prune::prune(&directory, &key, before)?;
    if first == 0 {
        return Ok("nothing to prune: records go by whole bundles of 256\n".to_owned());
    }
    Ok(format!("pruned: the records before {first} are gone, their hashes stay\n"))
}

fn prove(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let directory = arguments.next("the directory of the log")?;
    let index = number(arguments.next("the number of the record")?.into())?;
    arguments.end()?;
    Ok(query::prove(&Directory::open(&directory)?, &key, index)?.to_string())
}

fn check(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let record = arguments.once("--record")?;
    let file = arguments.next("the file with the proof")?;
    arguments.end()?;
    let proof = Proof::parse(&read(&file, proof::MOST_BYTES)?)?;
    let record = match (record, &proof.record) {
        (Some(file), _) => {
            let mut line = read(Path::new(&file), crate::records::MOST_READ_BYTES)?;
            line.pop_if(|byte| *byte == b'\n');
            crate::records::entry(&line).into_owned()
        }
        (None, Some(record)) => record.clone(),
        (None, None) => {
            return Err(Failure::Usage("the proof does not hold the record: give --record".to_owned()));
        }
    };
    let checkpoint = proof.check(&record, &key)?;
    let place = format!("record {} of {} in {}", proof.index, checkpoint.size, checkpoint.origin);
    Ok(format!("holds: {place}\n{}\n", printable(&String::from_utf8_lossy(&record))))
}

fn consistency(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let directory = arguments.next("the directory of the log")?;
    let old = note_in(&arguments.next("the older checkpoint")?)?;
    let new = note_in(&arguments.next("the newer checkpoint")?)?;
    arguments.end()?;
    let hashes = query::consistency(&Directory::open(&directory)?, &key, &old, &new)?;
    let mut text = "consistent: the newer log goes on from the older one\n".to_owned();
    for hash in hashes {
        let _ = writeln!(text, "{}", base64::encode(&hash));
    }
    Ok(text)
}

fn show(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let directory = arguments.next("the directory of the log")?;
    let index = arguments.next_if_any().map(number).transpose()?;
    arguments.end()?;
    let directory = Directory::open(&directory)?;
    let Some(index) = index else {
        return Ok(query::checkpoint(&directory, &key)?.0.to_string());
    };
    let record = query::prove(&directory, &key, index)?.record.expect("a proof of ours has its record");
    let record = whole(&directory, index, record)?;
    write_out(&record)?;
    Ok("\n".to_owned())
}

fn request(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let directory = arguments.next("the directory of the log")?;
    let old = number(arguments.next("the number of records that the witness knows")?.into())?;
    arguments.end()?;
    Ok(witness::request(&Directory::open(&directory)?, &key, old)?)
}

fn witnessed(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let witness = key_of(arguments.required("--witness")?)?;
    let directory = arguments.next("the directory of the log")?;
    let lines = read(&arguments.next("the answer of the witness")?, note::MOST_BYTES)?;
    arguments.end()?;
    let seconds = witness::take(&Directory::open_to_write(&directory)?, &key, &witness, &lines)?;
    Ok(format!("witnessed: by {}, {seconds} seconds after 1970\n", witness.name()))
}

fn tail(mut arguments: Arguments) -> Result<String, Failure> {
    let key = verifier_key(&mut arguments)?;
    let directory = arguments.next("the directory of the log")?;
    let count = arguments.next_if_any().map(number).transpose()?.unwrap_or(10);
    arguments.end()?;
    let directory = Directory::open(&directory)?;
    let (_, checkpoint) = query::checkpoint(&directory, &key)?;
    for index in checkpoint.size.saturating_sub(count)..checkpoint.size {
        let record = query::prove(&directory, &key, index)?.record.expect("a proof of ours has its record");
        print(&format!("{index}\t"))?;
        write_out(&whole(&directory, index, record)?)?;
        print("\n")?;
    }
    Ok(String::new())
}

/// The line itself, where an entry only stands for it.
fn whole(directory: &Directory, index: u64, entry: Vec<u8>) -> Result<Vec<u8>, Error> {
    let Some(digest) = stands_for(&entry) else { return Ok(entry) };
    let path = blob_path(index);
    match directory.read(&path, crate::records::MOST_READ_BYTES)? {
        Some(line) if crate::hash::hex(&crate::hash::sha256(&line)) == digest => Ok(line),
        _ => Err(Error::contradiction(format!("{} is missing or changed", directory.shown(&path)))),
    }
}

const HELP: &str = "\
Seals the record of decisions, and answers questions about what is sealed.

Usage: rex-audit COMMAND [OPTIONS] ARGUMENTS

  init --name NAME --key FILE DIR             makes DIR and a key of mode 0600, and prints the public key
  seal --key FILE --log LOG DIR               seals LOG up to its last line feed; --follow SECONDS goes on doing so
  verify DIR --vkey KEY                       the whole log against its checkpoint, as rex-verify does
  prove DIR N --vkey KEY                      a proof that record N is in the log (c2sp.org/tlog-proof@v1)
  check PROOF --vkey KEY                      whether a proof holds, and for which record; --record FILE names it
  consistency DIR OLD NEW --vkey KEY          whether the log of one checkpoint goes on from that of another
  show DIR [N] --vkey KEY                     the checkpoint, or record N, verified
  tail DIR [COUNT] --vkey KEY                 the last records, ten unless told otherwise, verified
  request DIR OLD --vkey KEY                  what a witness is sent that knows OLD records (add-checkpoint)
  witnessed DIR ANSWER --witness W --vkey KEY puts the witness's answer below the checkpoint
  prune --key FILE --before N DIR             removes the entries before record N and keeps every proof

  --vkey-file FILE is the same as --vkey with what is in the file. NAME is that of the log, such as
  audit.example.org/host-17: without white space and plus signs, and of no other log. Records are counted from 0.

Exit status: 0 done; 1 something was changed, removed, exchanged, cut, or is not signed by this key; 64 the command line
is wrong; 74 the system refused something; 78 a key, directory or file cannot be used as it is.

Examples:
  rex-audit init --name audit.example.org/host-17 --key /etc/rex-audit/key /var/lib/rex-audit/log > log.vkey
  rex-audit seal --key /etc/rex-audit/key --log /var/log/rex-broker/audit.jsonl /var/lib/rex-audit/log
  rex-audit prove /var/lib/rex-audit/log 42 --vkey-file log.vkey > 42.tlog-proof
  rex-audit check 42.tlog-proof --vkey-file log.vkey
";

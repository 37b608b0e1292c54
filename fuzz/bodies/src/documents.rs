//! Arguments files and result documents: hostile text in, well-formed JSON out.

use std::io::Write;
use std::time::Instant;

use rex_broker::result::Format;
use rex_broker::result::{Ending, ErrorClass, Form, Measured, Recorder, Settings, write};
use rex_broker::run::input;
use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::bounded::Text;
use rex_ipc::codec;
use rex_ipc::runtime::{Alarm, Log, LogLevel};

/// An arguments file of any content is refused with its name, or gives arguments that survive the wire.
pub fn argument_files(bytes: &[u8]) {
    let folder = std::env::temp_dir().join(format!("rex-fuzz-arguments-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary directory can be used");
    let (script, policy, arguments) = (folder.join("s"), folder.join("p"), folder.join("a"));
    for (path, content) in [(&script, &b"1"[..]), (&policy, b""), (&arguments, bytes)] {
        let mut file = std::fs::File::create(path).expect("a file can be made");
        file.write_all(content).expect("a file can be written");
    }
    let (script, policies) = (input::Script::File(script), [policy]);
    let wanted = input::Wanted {
        script: &script,
        policies: &policies,
        directories: false,
        forbids: &[],
        arguments: Some(&arguments),
        given: &[],
        rex_compat: false,
    };
    match input::read(&wanted, Instant::now() + std::time::Duration::from_secs(60)) {
        Err(error) => assert!(error.to_string().starts_with("Failed to load input files: "), "{error}"),
        Ok(inputs) => {
            if inputs.check_depth().is_ok() {
                let wire = codec::encode_large(&inputs.arguments).expect("arguments can be sent");
                let back = codec::decode_large::<rex_ipc::control::Arguments>(&wire).expect("and received");
                let text = |arguments| format!("{arguments:?}");
                assert_eq!(text(&back), text(&inputs.arguments));
            }
        }
    }
}

/// Whatever a jail says, the document is JSON of the known form and the text form obeys no script.
pub fn result_documents(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (kind, line) = (bytes.first().copied().unwrap_or(0), u32::from(bytes.get(1).copied().unwrap_or(0)));
    let mut recorder = Recorder::new(Settings {
        compat: kind & 1 != 0,
        bare: kind & 2 != 0,
        started: Instant::now(),
        log_threshold: LogLevel::Trace,
        max_log_lines: 100,
        max_signals: 100,
        max_signal_bytes: 1 << 20,
    });
    let log =
        Log { level: LogLevel::Info, line, message: Text::cut(&text), cut: kind & 4 != 0, function: None };
    let _ = recorder.log(&log);
    let _ = recorder.alarm(Alarm { alarm_type: Text::cut(&text), details: Some(Text::cut(&text)) });
    recorder.denial(ActionId::FileSystemOpen, ResourceKind::File, &text, &[text.as_str()], line);
    let ending = match kind % 4 {
        0 => Ending::Value(text),
        1 => Ending::CompileError(text),
        2 => Ending::ScriptError { message: text, class: ErrorClass::Denied },
        _ => Ending::Limit { name: text, value: 1, line: Some(line), claimed_by_jail: true },
    };
    let document = recorder.finish(ending, &Measured::default());
    for format in [Format::Json, Format::PrettyJson, Format::Human] {
        let form = Form { format, verbose: true, to_terminal: true, ..Form::default() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        write(&document, &form, &mut out, &mut err).expect("memory can be written");
        if format == Format::Human {
            let dangerous = |bytes: &[u8]| bytes.contains(&0x1b) || bytes.contains(&0x07);
            assert!(!dangerous(&out) && !dangerous(&err), "a terminal is told nothing by a script");
        } else {
            let value: serde_json::Value = serde_json::from_slice(&out).expect("the document is JSON");
            assert!(value["status"].is_string() && value["output"].is_string());
            assert_eq!(value["status"] == "ERROR", value["error"].is_object());
        }
    }
}

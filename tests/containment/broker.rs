//! The broker with a hostile jail in the place of the jail: runs from the command line to the document.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A run of the broker with a hostile jail.
pub(crate) struct Run {
    fault: Option<(String, i32)>,
    options: Vec<String>,
    order: String,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) document: Value,
    pub(crate) diagnostics: String,
}

impl Run {
    /// A run whose script is an order to the jail.
    pub(crate) fn of(order: &str) -> Self {
        Self { fault: None, options: Vec::new(), order: order.to_owned() }
    }

    pub(crate) fn option(mut self, words: &[&str]) -> Self {
        self.options.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Has a step of the confinement fail.
    pub(crate) fn failing(mut self, id: &str, errno: i32) -> Self {
        self.fault = Some((id.to_owned(), errno));
        self
    }

    /// Leaves a step of the confinement out.
    pub(crate) fn without(self, layer: rex_outside::Layer) -> Self {
        self.failing(layer.id(), 0)
    }

    pub(crate) fn run(self) -> Ran {
        let Started { child, _files } = self.start();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Starts the broker and does not wait for it.
    pub(crate) fn start(self) -> Started {
        let files = Files::new(&self.order);
        let (fault, errno) = self.fault.unwrap_or(("nothing".to_owned(), 0));
        let child = Command::new(env!("CARGO_BIN_EXE_rex-understudy"))
            .args(["broker", &fault, &errno.to_string(), "--jail", "-s"])
            .arg(files.path("script"))
            .arg("-p")
            .arg(files.path("policy"))
            .args(["--audit-log", "none", "-o", "json"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Started { child, _files: files }
    }
}

/// A broker that runs.
pub(crate) struct Started {
    child: Child,
    /// Its script and policy, there as long as it is.
    _files: Files,
}

impl Started {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Ran {
    fn of(output: &Output) -> Self {
        let diagnostics = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no document: {error}: {output:?}"));
        Self { code: output.status.code(), document, diagnostics }
    }

    /// How the jail ended.
    pub(crate) fn end(&self) -> &str {
        self.document["jail"]["end"].as_str().unwrap_or_default()
    }

    pub(crate) fn output(&self) -> &str {
        self.document["output"].as_str().unwrap_or_default()
    }
}

struct Files(PathBuf);

impl Files {
    fn new(order: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("rex-hostile-{}-{number}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("script"), order).unwrap();
        fs::write(directory.join("policy"), "permit(principal, action, resource);\n").unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

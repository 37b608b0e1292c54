//! Is `docs/wire.md` enough to write a peer from? One that was, in another language, reads every golden file.

use std::process::Command;

use crate::golden::{is_writing, root};

#[test]
fn a_peer_made_from_the_document_reads_and_writes_every_sample() {
    // While the document is being written by another test, the peer would read half of it.
    if is_writing() {
        return;
    }

    let output = Command::new("python3")
        .args(["tests/peer/wire_peer.py", "docs/wire.md", "tests/golden/wire"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(root())
        .output()
        .expect("python3 is installed");

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("samples read and written"), "{said}");
}

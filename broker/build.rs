//! Builds the programs of jail and worker, which the broker carries inside itself, and names each by its digest.

use std::path::Path;

use sha2::{Digest, Sha256};

fn main() {
    carry("rex-jail", "REX_JAIL_IMAGE");
    carry("rex-worker", "REX_WORKER_IMAGE");
    // The program that starts those which scripts execute.
    carry("rex-spawner", "REX_SPAWNER_IMAGE");
    // The program with which `doctor --prove` shows what a jail cannot do.
    carry("rex-hostile", "REX_PROVER_IMAGE");
}

fn carry(package: &str, variable: &str) {
    let image = rex_image::build(package, variable);
    println!("cargo:rustc-env={variable}_SHA256={}", digest(&image));
}

fn digest(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

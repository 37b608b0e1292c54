//! Builds the jail's program, which the broker carries inside itself, and names it by its digest.

use sha2::{Digest, Sha256};

fn main() {
    let image = rex_image::build("rex-jail", "REX_JAIL_IMAGE");
    let bytes = std::fs::read(&image).unwrap_or_else(|error| panic!("cannot read {}: {error}", image.display()));
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-env=REX_JAIL_IMAGE_SHA256={digest}");
}

//! Builds the jail's program, which the broker carries inside itself.

fn main() {
    rex_image::build("rex-jail", "REX_JAIL_IMAGE");
}

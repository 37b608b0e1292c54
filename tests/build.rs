//! Builds the hostile jail's program, which the containment tests start in the place of the jail's.

fn main() {
    rex_image::build("rex-hostile", "REX_HOSTILE_IMAGE");
}

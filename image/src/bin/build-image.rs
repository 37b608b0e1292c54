//! Builds one image as the broker's build script does, for whoever wants only that; `.ci/reproduce` says how it is called.

fn main() {
    let package = std::env::args().nth(1).expect("usage: build-image PACKAGE");
    rex_image::build(&package, "REX_IMAGE");
}

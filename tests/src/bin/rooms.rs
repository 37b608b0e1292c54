//! Prints the rooms of each package, the circles among them, and how much code the boundary is.

use std::path::Path;

use rex_tests::rooms::{HOUSES, boundary, circles, uses};

fn main() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the checkout");
    for house in HOUSES {
        let uses = uses(root, house);
        println!("{house}: {} rooms", uses.len());
        for (room, used) in &uses {
            println!("  {room} -> {}", used.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        }
        for circle in circles(&uses) {
            println!("  circle of {}: {}", circle.len(), Vec::from_iter(circle).join(" "));
        }
    }
    let lines = boundary(root);
    println!(
        "boundary: {} lines of code that acts; {} with what it rests on; its vocabulary apart: {}",
        lines.narrow, lines.honest, lines.vocabulary
    );
}

//! The commands and their flags, under the names that scripts know.

use rhai::Dynamic;

use crate::commands::cat;
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers every command.
pub fn register(registrar: &mut Registrar<'_>) {
    register_cat(registrar);
}

/// What a command that reads one file asks for.
const READ_ONE: &str =
    "open Dir(parent), [open Dir(resolved parent)], open File, read File | redacted_read File";

fn command(
    name: &'static str,
    signature: &'static str,
    returns: &'static str,
    actions: &'static str,
    doc: &'static str,
) -> Entry {
    Entry { module: "command", name, signature, returns, actions, doc }
}

fn flag(module: &'static str, name: &'static str, returns: &'static str, doc: &'static str) -> Entry {
    Entry { module, name, signature: "constant", returns, actions: NOTHING, doc }
}

fn register_cat(registrar: &mut Registrar<'_>) {
    registrar.type_name::<cat::CatFlag>("CatFlag");
    for name in ["number", "n"] {
        registrar.constant(
            flag("cat", name, "CatFlag", "Puts the number of each line in front of it."),
            Dynamic::from(cat::CatFlag::Number),
        );
    }
    registrar
        .function(command("cat", "(path: String)", "String", READ_ONE, "The text of a file."), cat::plain);
    registrar.function(
        command(
            "cat",
            "(flags: Array, path: String)",
            "String",
            READ_ONE,
            "The text of a file, as the flags say.",
        ),
        cat::with_flags,
    );
}

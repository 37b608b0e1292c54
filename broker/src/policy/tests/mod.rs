//! What the parts of this module promise together.

mod alike;
mod broken;
mod deciding;
mod deep;
mod explaining;
mod reference;
mod schema;
mod session;
mod stack;

use rex_ipc::action::ActionId;

use super::{
    Engine, Finding, Loaded, Mode, Policies, PolicyErrors, PolicyText, Question, ResourceRef, Verdict,
};

/// Loads one text.
fn load(text: &str, mode: Mode) -> Result<Loaded, PolicyErrors> {
    Policies::load(&[PolicyText { name: "test.cedar", text }], mode)
}

/// What is wrong with one text.
#[track_caller]
fn refused(text: &str, mode: Mode) -> PolicyErrors {
    match load(text, mode) {
        Ok(loaded) => panic!("accepted: {text}\n{:?}", loaded.warnings),
        Err(errors) => errors,
    }
}

/// What is doubtful in one text.
#[track_caller]
fn accepted(text: &str, mode: Mode) -> Vec<Finding> {
    match load(text, mode) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => panic!("refused: {text}\n{errors}"),
    }
}

/// An engine for root.
fn engine(text: &str) -> Engine {
    Engine::new(load(text, Mode::Standard).unwrap().policies, "root")
}

/// What the text says to one question, when loaded as leniently as possible.
fn ask(text: &str, action: ActionId, resource: ResourceRef<'_>) -> Verdict {
    let policies = load(text, Mode::Rex).unwrap().policies;
    (*Engine::new(policies, "root").decide(&Question::new(action, resource))).clone()
}

/// Whether `root` may read that file.
fn may_read(text: &str, path: &str) -> bool {
    ask(text, ActionId::FileSystemRead, ResourceRef::File(path)).permitted
}

//! Policies: no text brings the loader down, and what cannot be decided is a denial.

use rex_broker::policy::{Engine, Mode, Policies, PolicyText, Question, ResourceRef};
use rex_ipc::action::ActionId;

/// Loads the text in every mode and asks a few questions of what was accepted.
pub fn policy_loading(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for mode in [Mode::Standard, Mode::Strict, Mode::Rex] {
        let Ok(loaded) = Policies::load(&[PolicyText { name: "fuzz.cedar", text: &text }], mode) else {
            continue;
        };
        let empty = loaded.policies.is_empty();
        let mut engine = Engine::new(loaded.policies, "nobody");
        for action in [ActionId::FileSystemOpen, ActionId::FileSystemRead, ActionId::FileSystemDelete] {
            for resource in [ResourceRef::File("/a/b"), ResourceRef::Dir("/a"), ResourceRef::Dir("/")] {
                let question = Question::new(action, resource);
                let verdict = engine.decide(&question);
                assert!(!(empty && verdict.permitted), "no policy permits nothing");
                assert!(!(verdict.failed && verdict.permitted), "what failed is denied");
                assert_eq!(engine.decide(&question), verdict, "the same question has the same answer");
            }
        }
    }
}

//! The schema, as far as checking policies needs it.

use std::sync::LazyLock;

use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::{Validator, ValidatorSchema};

/// Reads the schema. Deciding does not need it: requests are well typed by construction.
pub(super) fn load() -> ValidatorSchema {
    ValidatorSchema::from_json_str(JSON, Extensions::all_available())
        .expect("a test reads the schema that is compiled in")
}

/// The validator of the texts that we write ourselves, made when the first of them is checked.
pub(super) fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(load()));
    &VALIDATOR
}

/// The schema as people read it.
pub const READABLE: &str = include_str!("../../../policies/rex.cedarschema");

/// The schema in JSON, which costs a third of the readable form to read.
pub const JSON: &str = include_str!("../../../policies/rex.cedarschema.json");

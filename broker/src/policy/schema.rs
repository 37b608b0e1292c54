//! The schema, as far as checking policies needs it.

use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::ValidatorSchema;

/// Reads the schema. Deciding does not need it: requests are well typed by construction.
pub(super) fn load() -> ValidatorSchema {
    ValidatorSchema::from_json_str(JSON, Extensions::all_available())
        .expect("a test reads the schema that is compiled in")
}

/// The schema in JSON, which costs a third of the readable form to read.
const JSON: &str = include_str!("../../../policies/rex.cedarschema.json");

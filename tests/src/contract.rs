//! Is a document what docs/result.schema.json says? A validator that nobody here wrote answers.

use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::program;

struct Contract {
    schemas: Schemas,
    document: SchemaIndex,
    line: SchemaIndex,
}

/// What is wrong with a result document; nothing when it keeps the contract.
///
/// # Panics
/// When the schema is none.
pub fn breach_of_document(document: &Value) -> Option<String> {
    let contract = contract();
    breach(document, contract, contract.document)
}

/// What is wrong with a line of `--ndjson`.
///
/// # Panics
/// When the schema is none.
pub fn breach_of_line(line: &Value) -> Option<String> {
    let contract = contract();
    breach(line, contract, contract.line)
}

/// Asserts that a result document keeps the contract.
///
/// # Panics
/// When it does not.
pub fn assert_document(document: &Value) {
    if let Some(breach) = breach_of_document(document) {
        panic!("the document is not what docs/result.schema.json says: {breach}\n{document}");
    }
}

/// Asserts that a line of `--ndjson` keeps the contract.
///
/// # Panics
/// When it does not.
pub fn assert_line(line: &Value) {
    if let Some(breach) = breach_of_line(line) {
        panic!("the line is not what docs/result.schema.json says: {breach}\n{line}");
    }
}

/// The schema.
///
/// # Panics
/// When it cannot be read.
pub fn schema() -> Value {
    let path = program::checkout().join("docs/result.schema.json");
    let text = std::fs::read_to_string(path).expect("the schema can be read");
    serde_json::from_str(&text).expect("the schema is JSON")
}

fn breach(value: &Value, contract: &Contract, schema: SchemaIndex) -> Option<String> {
    contract.schemas.validate(value, schema).err().map(|error| format!("{error:#}"))
}

fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let mut compiler = Compiler::new();
        compiler.add_resource(PLACE, schema()).expect("the schema is a resource");
        let mut schemas = Schemas::new();
        let mut find = |part: &str| {
            compiler
                .compile(&format!("{PLACE}#/$defs/{part}"), &mut schemas)
                .unwrap_or_else(|error| panic!("the schema of {part} is none: {error:#}"))
        };
        let (document, line) = (find("document"), find("event"));
        Contract { schemas, document, line }
    })
}

/// Nothing is read from there; a schema needs a name.
const PLACE: &str = "https://rex-broker.invalid/result.schema.json";

//! The reference as JSON, for programs and editors.

use serde_json::{Value, json};

use super::entry::{Entry, Form, Reference, Remark, Section};
use super::markdown;

/// The columns of the jail's table.
pub(super) fn row(entry: &Entry) -> Value {
    json!({
        "module": entry.module,
        "name": entry.name,
        "signature": entry.signature,
        "returns": entry.returns,
        "actions": entry.actions,
        "doc": entry.doc,
    })
}

/// Every entry of these sections, with everything that is said about it.
pub(super) fn complete(sections: &[&Section]) -> Value {
    let of_section = |section: &&Section| section.entries.iter().map(|entry| whole(section, entry)).collect();
    Value::Array(sections.iter().flat_map(|section| -> Vec<Value> { of_section(section) }).collect())
}

fn whole(section: &Section, entry: &Entry) -> Value {
    let remarks = |remarks: &[Remark]| -> Vec<Value> {
        remarks.iter().map(|remark| json!({ "name": remark.name, "text": remark.text })).collect()
    };
    let mut value = row(entry);
    value["call"] = json!(entry.call());
    value["text"] = json!(section.text);
    value["arguments"] = json!(remarks(&section.arguments));
    value["errors"] = json!(remarks(&section.errors));
    value["example"] = json!(section.example);
    value["output"] = json!(section.output);
    value
}

/// An array of `CompletionItem` as the Language Server Protocol 3.17 has it; `data` names the entry.
pub(super) fn completion(reference: &Reference) -> Value {
    Value::Array(reference.entries().map(|(section, entry)| item(section, entry)).collect())
}

fn item(section: &Section, entry: &Entry) -> Value {
    let form = entry.form();
    let insert = match form {
        Form::Constant | Form::Property => label(entry),
        Form::Operator => format!("{} ", entry.name),
        _ => format!("{}({})", label(entry), placeholders(entry, form)),
    };
    json!({
        "label": label(entry),
        "kind": kind(form),
        "detail": format!("{} -> {}", entry.call(), entry.returns),
        "documentation": { "kind": "markdown", "value": markdown::body(section) },
        "filterText": label(entry),
        "insertText": insert,
        "insertTextFormat": SNIPPET,
        "data": { "module": entry.module, "name": entry.name, "signature": entry.signature },
    })
}

/// What is typed: behind the dot for what belongs to a value, with the module for what belongs to one.
fn label(entry: &Entry) -> String {
    match entry.form() {
        Form::Constant | Form::ModuleFunction => entry.qualified_name(),
        _ => entry.plain_name().to_owned(),
    }
}

/// `${1:path}, ${2:content}`, without the value before the dot.
fn placeholders(entry: &Entry, form: Form) -> String {
    let skipped = usize::from(form == Form::Method);
    let placeholder = |(index, parameter): (usize, &str)| {
        let name = parameter.split(':').next().unwrap_or(parameter);
        format!("${{{}:{}}}", index.saturating_add(1), name.replace(['$', '}', '\\'], ""))
    };
    let parameters = entry.parameters();
    let typed = parameters.get(skipped..).unwrap_or_default();
    typed.iter().copied().enumerate().map(placeholder).collect::<Vec<_>>().join(", ")
}

/// The numbers of `CompletionItemKind`.
fn kind(form: Form) -> u8 {
    match form {
        Form::Method => 2,
        Form::Function | Form::ModuleFunction => 3,
        Form::Constructor => 4,
        Form::Property => 10,
        Form::Constant => 21,
        Form::Operator => 24,
    }
}

/// `InsertTextFormat.Snippet`.
const SNIPPET: u8 = 2;

//! Maps as JSON text.

use rhai::{Dynamic, Engine, Map, NativeCallContext};

use crate::error::{Fallible, TooLarge, too_large};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::text::string_limit;
use crate::value;

/// Registers the one function. `parse_json` replaces one of the language, see [`crate::natives`].
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "global",
            name: "to_json",
            signature: "(map: Map)",
            returns: "String",
            actions: NOTHING,
            doc: "The map as JSON; objects of the SDK become text.",
        },
        to_json,
    );
}

fn to_json(context: NativeCallContext, map: Map) -> Fallible<String> {
    let mut writer = Writer {
        engine: context.engine(),
        text: String::new(),
        most_bytes: string_limit(&Session::of(&context)),
    };
    writer.map(&map)?;
    Ok(writer.text)
}

struct Writer<'a> {
    engine: &'a Engine,
    text: String,
    most_bytes: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Dynamic) -> Fallible<()> {
        if value.is_unit() {
            return self.push("null");
        }
        if let Ok(text) = value.as_immutable_string_ref() {
            return self.string(&text);
        }
        if let Ok(character) = value.as_char() {
            return self.string(character.encode_utf8(&mut [0; 4]));
        }
        if let Ok(number) = value.as_float() {
            // JSON has no number for these.
            return if number.is_finite() { self.push(&format!("{value:?}")) } else { self.push("null") };
        }
        if let Ok(map) = value.as_map_ref() {
            return self.map(&map);
        }
        if let Ok(array) = value.as_array_ref() {
            return self.list(array.iter(), |writer, value| writer.value(value));
        }
        if let Ok(blob) = value.as_blob_ref() {
            return self.list(blob.iter(), |writer, byte| writer.push(&byte.to_string()));
        }
        if value.is_int() || value.is_bool() || value.is::<u64>() || value.is::<u16>() {
            return self.push(&value.to_string());
        }
        match value::own_text(self.engine, value) {
            Some(text) => self.string(&text),
            None => self.string(&value.to_string()),
        }
    }

    fn map(&mut self, map: &Map) -> Fallible<()> {
        self.push("{")?;
        for (index, (key, value)) in map.iter().enumerate() {
            self.push(if index > 0 { "," } else { "" })?;
            self.string(key)?;
            self.push(":")?;
            self.value(value)?;
        }
        self.push("}")
    }

    fn list<T>(
        &mut self,
        values: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Fallible<()>,
    ) -> Fallible<()> {
        self.push("[")?;
        for (index, value) in values.enumerate() {
            self.push(if index > 0 { "," } else { "" })?;
            write(self, value)?;
        }
        self.push("]")
    }

    /// Only the short escapes that the language reads back; the rest by number.
    fn string(&mut self, text: &str) -> Fallible<()> {
        self.push("\"")?;
        for character in text.chars() {
            match character {
                '"' => self.push("\\\"")?,
                '\\' => self.push("\\\\")?,
                '\n' => self.push("\\n")?,
                '\r' => self.push("\\r")?,
                '\t' => self.push("\\t")?,
                control if u32::from(control) < 0x20 => {
                    self.push(&format!("\\u{:04x}", u32::from(control)))?
                }
                other => self.push(other.encode_utf8(&mut [0; 4]))?,
            }
        }
        self.push("\"")
    }

    fn push(&mut self, part: &str) -> Fallible<()> {
        if self.text.len().saturating_add(part.len()) > self.most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        self.text.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn every_value_is_written_as_valid_json() {
        let script = r##"#{ a: [1, 2.5, (), true, 'c'], b: #{ "k\"\n": "\u0001" }, z: blob(2, 7), n: 1.0 / 0.0 }.to_json()"##;

        assert_eq!(
            Bench::new().output(script),
            r#"{"a":[1,2.5,null,true,"c"],"b":{"k\"\n":"\u0001"},"n":null,"z":[7,7]}"#
        );
    }

    #[test]
    fn objects_become_text_so_that_the_result_can_be_read() {
        assert_eq!(
            Bench::new().output("parse_json(#{ when: from_epoch_seconds(0) }.to_json()).when"),
            "1970-01-01T00:00:00Z"
        );
    }

    #[test]
    fn only_maps_have_it() {
        let script = "let r = []; try { [1].to_json() } catch (e) { r.push(e.error) } try { 5.to_json() } catch (e) { r.push(e.error) } r";

        assert_eq!(Bench::new().output(script), r#"["ErrorFunctionNotFound", "ErrorFunctionNotFound"]"#);
    }
}

//! What does a type look like on the wire? Found by running its own decoder against a recording source of values.
//!
//! The recorder hands out values and writes down what was asked for. It runs a type again until each variant of each
//! enum was seen; ranges of integers and what texts may be are found by trying, and other bounds are read from what the decoder
//! says it expects.

use std::collections::BTreeMap;
use std::fmt::Display;

use rex_ipc::limits::MAX_FRAME_BYTES;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    SeqAccess, VariantAccess, Visitor,
};

/// Why a value was refused while it was tried.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Every named type that was met: its name and its definition.
pub(crate) type Types = BTreeMap<String, String>;

/// Finds the shape of a type, and adds the named types it is made of.
pub(crate) fn trace<T: DeserializeOwned>(types: &mut Types) -> String {
    let mut tape = Tape::default();
    for _ in 0..MOST_RUNS {
        let mut run = Run::plan(&mut tape, Vec::new());
        T::deserialize(Recorder { run: &mut run, out: &mut String::new() })
            .unwrap_or_else(|error| panic!("no sample of {} was found: {error}", std::any::type_name::<T>()));
        let (choices, asked, texts) = (run.choices, run.asked, run.next_text);
        let texts = (0..texts).map(|at| kind_of_text::<T>(&tape, &choices, at)).collect();
        let ranges =
            asked.iter().enumerate().map(|(at, width)| range::<T>(&tape, &choices, at, *width)).collect();

        let mut run = Run::replay(&mut tape, choices, ranges, texts);
        let mut out = String::new();
        T::deserialize(Recorder { run: &mut run, out: &mut out }).expect("the same values decode again");
        if tape.enums.values().all(|variants| variants.iter().all(Option::is_some)) {
            for (name, definition) in tape.finish() {
                let known = types.entry(name.clone()).or_insert_with(|| definition.clone());
                assert_eq!(*known, definition, "two types of the boundary are called {name}");
            }
            return out;
        }
    }
    panic!("{} has variants that were never reached", std::any::type_name::<T>());
}

/// More runs than any type of the boundary has variants.
const MOST_RUNS: usize = 1000;

/// The width of an integer and whether it has a sign.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Width {
    bits: u32,
    signed: bool,
}

impl Width {
    fn name(self) -> String {
        format!("{}{}", if self.signed { 'i' } else { 'u' }, self.bits)
    }

    fn least(self) -> i128 {
        if self.signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    fn most(self) -> i128 {
        if self.signed { (1 << (self.bits - 1)) - 1 } else { (1 << self.bits) - 1 }
    }
}

/// The text for one integer: its type, with its range where the type says more than its width.
fn range<T: DeserializeOwned>(tape: &Tape, choices: &[usize], at: usize, width: Width) -> String {
    let accepted = |value: i128| {
        let mut tape = tape.clone();
        let mut run = Run::replay(&mut tape, choices.to_vec(), Vec::new(), Vec::new());
        run.override_at = Some((at, value));
        T::deserialize(Recorder { run: &mut run, out: &mut String::new() }).is_ok()
    };
    let edge = |inside: i128, outside: i128| {
        let (mut inside, mut outside) = (inside, outside);
        while (outside - inside).abs() > 1 {
            let middle = inside + (outside - inside) / 2;
            if accepted(middle) { inside = middle } else { outside = middle }
        }
        inside
    };
    let least = if accepted(width.least()) { width.least() } else { edge(SAMPLE, width.least()) };
    let most = if accepted(width.most()) { width.most() } else { edge(SAMPLE, width.most()) };
    if (least, most) == (width.least(), width.most()) {
        width.name()
    } else {
        format!("{}[{least}..{most}]", width.name())
    }
}

/// What a text is and how many bytes it may have, found by trying: a `name` where nothing is taken that names no entry, a
/// `text` where all of that is.
fn kind_of_text<T: DeserializeOwned>(tape: &Tape, choices: &[usize], at: usize) -> String {
    let accepted = |text: &str| {
        let mut tape = tape.clone();
        let mut run = Run::replay(&mut tape, choices.to_vec(), Vec::new(), Vec::new());
        run.text_at = Some((at, text.into()));
        T::deserialize(Recorder { run: &mut run, out: &mut String::new() }).is_ok()
    };
    let kind = match NO_NAMES.iter().filter(|text| accepted(text)).count() {
        0 => "name",
        count if count == NO_NAMES.len() => "text",
        _ => panic!("{} has a text of a third kind", std::any::type_name::<T>()),
    };
    let of_length = |bytes: usize| accepted(&TEXT.repeat(bytes));
    if of_length(UNBOUNDED_BYTES) {
        return kind.into();
    }
    let (mut most, mut too_long) = (TEXT.len(), UNBOUNDED_BYTES);
    while too_long - most > 1 {
        let middle = most.midpoint(too_long);
        if of_length(middle) { most = middle } else { too_long = middle }
    }
    format!("{kind}[..{most}]")
}

/// A text of this length is bounded only by what it travels in.
const UNBOUNDED_BYTES: usize = 2 * MAX_FRAME_BYTES;

/// Not empty, neither `.` nor `..`, without a slash or a zero byte, escaped or not: docs/wire.md, section 6.
const NO_NAMES: &[&str] = &["", ".", "..", "a/b", "/", "a\0", "\u{10FF2F}", "\u{10FF2E}", "\u{10FF00}"];

/// The text that is handed out.
const TEXT: &str = "a";

/// The integer that is handed out; every bounded integer of the boundary includes it.
const SAMPLE: i128 = 1;

/// What was found so far.
#[derive(Clone, Default)]
struct Tape {
    structs: BTreeMap<String, String>,
    /// For each enum its variants, in their order, as far as they were seen.
    enums: BTreeMap<String, Vec<Option<String>>>,
    /// Variants that were chosen and may not have returned yet.
    begun: BTreeMap<String, Vec<bool>>,
    /// The enums that were met within a variant.
    within: BTreeMap<(String, usize), Vec<String>>,
}

impl Tape {
    /// Whether an enum within this variant has variants that were never taken.
    fn hides_more(&self, name: &str, variant: usize) -> bool {
        let within = self.within.get(&(name.into(), variant)).map_or(&[][..], Vec::as_slice);
        within.iter().any(|inner| self.begun.get(inner).is_some_and(|begun| begun.contains(&false)))
    }

    fn finish(self) -> Types {
        let mut types = self.structs;
        for (name, variants) in self.enums {
            let variants: Vec<String> = variants
                .into_iter()
                .enumerate()
                .map(|(at, variant)| format!("{at} {}", variant.unwrap_or_default()))
                .collect();
            types.insert(name, variants.join(" | "));
        }
        types
    }
}

/// One run of a decoder.
struct Run<'a> {
    tape: &'a mut Tape,
    /// The variants taken, in order; planned when `replaying` is false.
    choices: Vec<usize>,
    next_choice: usize,
    replaying: bool,
    /// The enums that were met, in order.
    met: Vec<String>,
    /// The integers that were asked for, in order.
    asked: Vec<Width>,
    ranges: Vec<String>,
    override_at: Option<(usize, i128)>,
    /// What each text that was asked for is: any, or one that names an entry.
    texts: Vec<String>,
    next_text: usize,
    /// A text that is handed out in the place of the usual one.
    text_at: Option<(usize, String)>,
}

impl<'a> Run<'a> {
    fn plan(tape: &'a mut Tape, choices: Vec<usize>) -> Self {
        Self {
            tape,
            choices,
            next_choice: 0,
            replaying: false,
            met: Vec::new(),
            asked: Vec::new(),
            ranges: Vec::new(),
            override_at: None,
            texts: Vec::new(),
            next_text: 0,
            text_at: None,
        }
    }

    fn replay(tape: &'a mut Tape, choices: Vec<usize>, ranges: Vec<String>, texts: Vec<String>) -> Self {
        Self { replaying: true, ranges, texts, ..Self::plan(tape, choices) }
    }

    fn integer(&mut self, width: Width) -> (i128, String) {
        let at = self.asked.len();
        self.asked.push(width);
        let value = self.override_at.filter(|(index, _)| *index == at).map_or(SAMPLE, |(_, value)| value);
        (value, self.ranges.get(at).cloned().unwrap_or_else(|| width.name()))
    }

    /// The variant to take: the first that was never taken, else one that leads to such a variant.
    fn choose(&mut self, name: &str, variants: usize) -> usize {
        if !self.replaying {
            let begun = self.tape.begun.entry(name.into()).or_insert_with(|| vec![false; variants]);
            let fresh = begun.iter().position(|begun| !begun);
            let leading = || (0..variants).find(|&variant| self.tape.hides_more(name, variant));
            let choice = fresh.or_else(leading).unwrap_or(0);
            if let Some(begun) = self.tape.begun.get_mut(name) {
                begun[choice] = true;
            }
            self.choices.push(choice);
        }
        let choice = self.choices[self.next_choice];
        self.next_choice += 1;
        choice
    }
}

/// Hands out one value and writes to `out` what kind of value was asked for.
struct Recorder<'r, 'a> {
    run: &'r mut Run<'a>,
    out: &'r mut String,
}

/// The number in what a decoder says it expects, such as "at most 64 values".
fn bound(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    let number = words.split_once("at most ").and_then(|(_, rest)| rest.split(' ').next());
    number.map_or_else(String::new, |number| format!("[..{number}]"))
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $bits:literal $signed:literal;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            let (value, text) = self.run.integer(Width { bits: $bits, signed: $signed });
            *self.out = text;
            visitor.$visit(<$type>::try_from(value).expect("a value within the width"))
        })+
    };
}

macro_rules! unused {
    ($($method:ident($($argument:ty),*);)+) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Refused> {
            Err(Refused(concat!(stringify!($method), " has no place in docs/wire.md").into()))
        })+
    };
}

impl<'de> Deserializer<'de> for Recorder<'_, '_> {
    type Error = Refused;

    integers! {
        deserialize_u8 visit_u8 u8, 8 false;
        deserialize_u16 visit_u16 u16, 16 false;
        deserialize_u32 visit_u32 u32, 32 false;
        deserialize_u64 visit_u64 u64, 64 false;
        deserialize_i64 visit_i64 i64, 64 true;
    }

    unused! {
        deserialize_any();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_f32();
        deserialize_char();
        deserialize_str();
        deserialize_bytes();
        deserialize_map();
        deserialize_identifier();
        deserialize_ignored_any();
        deserialize_unit_struct(&'static str);
        deserialize_tuple_struct(&'static str, usize);
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.out = "bool".into();
        visitor.visit_bool(false)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.out = "f64".into();
        visitor.visit_f64(0.0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let at = self.run.next_text;
        self.run.next_text += 1;
        *self.out = self.run.texts.get(at).map_or("text", String::as_str).into();
        let tried = self.run.text_at.as_ref().filter(|(index, _)| *index == at);
        visitor.visit_string(tried.map_or(TEXT, |(_, text)| text).into())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.out = format!("bytes{}", bound(&visitor));
        visitor.visit_byte_buf(Vec::new())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut inner = String::new();
        let value = visitor.visit_some(Recorder { run: self.run, out: &mut inner })?;
        *self.out = format!("option<{inner}>");
        Ok(value)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.out = "()".into();
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut inner = String::new();
        let value = visitor.visit_newtype_struct(Recorder { run: self.run, out: &mut inner })?;
        self.run.tape.structs.insert(name.into(), inner);
        *self.out = name.into();
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let bound = bound(&visitor);
        let mut shapes = Vec::new();
        let count = usize::from(bound != "[..0]");
        let value = visitor.visit_seq(Values { run: self.run, left: count, shapes: &mut shapes })?;
        let inner = shapes.first().map_or("()", String::as_str);
        *self.out = format!("list<{inner}>{bound}");
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        let mut shapes = Vec::new();
        let value = visitor.visit_seq(Values { run: self.run, left: length, shapes: &mut shapes })?;
        *self.out = format!("({})", shapes.join(", "));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = Vec::new();
        let value = visitor.visit_seq(Values { run: self.run, left: fields.len(), shapes: &mut shapes })?;
        self.run.tape.structs.insert(name.into(), record(fields, &shapes));
        *self.out = name.into();
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let choice = self.run.choose(name, variants.len());
        self.run.met.push(name.into());
        let first_within = self.run.met.len();
        let mut shape = String::new();
        let value = visitor.visit_enum(Variant { run: self.run, choice, shape: &mut shape })?;
        let seen = self.run.tape.enums.entry(name.into()).or_insert_with(|| vec![None; variants.len()]);
        seen[choice] = Some(format!("{}{shape}", variants[choice]));
        self.run.tape.within.insert((name.into(), choice), self.run.met[first_within..].to_vec());
        *self.out = name.into();
        Ok(value)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn record(fields: &[&str], shapes: &[String]) -> String {
    let fields: Vec<String> =
        fields.iter().zip(shapes).map(|(field, shape)| format!("{field}: {shape}")).collect();
    if fields.is_empty() { "{}".into() } else { format!("{{ {} }}", fields.join(", ")) }
}

struct Values<'r, 'a> {
    run: &'r mut Run<'a>,
    left: usize,
    shapes: &'r mut Vec<String>,
}

impl<'de> SeqAccess<'de> for Values<'_, '_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut shape = String::new();
        let value = seed.deserialize(Recorder { run: self.run, out: &mut shape })?;
        self.shapes.push(shape);
        Ok(Some(value))
    }
}

struct Variant<'r, 'a> {
    run: &'r mut Run<'a>,
    choice: usize,
    shape: &'r mut String,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refused> {
        let number = u32::try_from(self.choice).expect("an enum has few variants");
        let index: U32Deserializer<Refused> = number.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        let mut inner = String::new();
        let value = seed.deserialize(Recorder { run: self.run, out: &mut inner })?;
        *self.shape = format!("({inner})");
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        let mut shapes = Vec::new();
        let value = visitor.visit_seq(Values { run: self.run, left: length, shapes: &mut shapes })?;
        *self.shape = format!("({})", shapes.join(", "));
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut shapes = Vec::new();
        let value = visitor.visit_seq(Values { run: self.run, left: fields.len(), shapes: &mut shapes })?;
        *self.shape = format!(" {}", record(fields, &shapes));
        Ok(value)
    }
}

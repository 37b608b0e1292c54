//! What scripts can call, kept as data next to each registration.

use std::collections::BTreeMap;

use crate::error::Fallible;
use rhai::{Dynamic, Engine, Module, RhaiNativeFunc};

/// A line of the SDK's table, without the document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the name belongs: a command, a type or a module of constants.
    pub module: &'static str,
    /// The name; that of a property begins with `get$`.
    pub name: &'static str,
    /// The parameters, or `constant`.
    pub signature: &'static str,
    /// The type of the result.
    pub returns: &'static str,
    /// Which actions are asked for, in which order; `-` when none.
    pub actions: &'static str,
    /// One sentence for the authors of scripts.
    pub doc: &'static str,
}

/// Registers functions and types with an engine, and remembers what it registered.
pub struct Registrar<'e> {
    engine: &'e mut Engine,
    modules: BTreeMap<&'static str, Module>,
    entries: Vec<Entry>,
}

/// The actions of what asks for none.
pub const NOTHING: &str = "-";

impl<'e> Registrar<'e> {
    /// A registrar that has registered nothing.
    pub fn new(engine: &'e mut Engine) -> Self {
        Self { engine, modules: BTreeMap::new(), entries: Vec::new() }
    }

    /// A type and the text that `type_of` gives for it.
    pub fn type_name<T: Clone + 'static>(&mut self, name: &'static str) {
        self.engine.register_type_with_name::<T>(name);
    }

    /// A function, a method, or a property: what is named `get$x` is the property `x`, which is how the engine names it.
    pub fn function<A: 'static, const N: usize, const X: bool, R: Clone + 'static, const F: bool>(
        &mut self,
        entry: Entry,
        body: impl RhaiNativeFunc<A, N, X, R, F> + 'static,
    ) {
        self.engine.register_fn(entry.name, body);
        self.entries.push(entry);
    }

    /// A function whose entry is there already, for another type that scripts know by the name in it.
    pub fn further<A: 'static, const N: usize, const X: bool, R: Clone + 'static, const F: bool>(
        &mut self,
        name: &str,
        body: impl RhaiNativeFunc<A, N, X, R, F> + 'static,
    ) {
        self.engine.register_fn(name, body);
    }

    /// A setter of a builder: it changes the builder in place and gives a copy of it.
    pub fn setter<B: Clone + 'static, V: Clone + 'static>(
        &mut self,
        entry: Entry,
        set: impl Fn(&mut B, V) + 'static,
    ) {
        self.engine.register_fn(entry.name, move |builder: &mut B, value: V| {
            set(builder, value);
            builder.clone()
        });
        self.entries.push(entry);
    }

    /// A setter that can refuse.
    pub fn fallible_setter<B: Clone + 'static, V: Clone + 'static>(
        &mut self,
        entry: Entry,
        set: impl Fn(&mut B, V) -> Fallible<()> + 'static,
    ) {
        self.engine.register_fn(entry.name, move |builder: &mut B, value: V| -> Fallible<B> {
            set(builder, value)?;
            Ok(builder.clone())
        });
        self.entries.push(entry);
    }

    /// A constant of the module that the entry names.
    pub fn constant(&mut self, entry: Entry, value: Dynamic) {
        self.modules.entry(entry.module).or_default().set_var(entry.name, value);
        self.entries.push(entry);
    }

    /// A function of the module that the entry names.
    pub fn module_function<A: 'static, const N: usize, const X: bool, R: Clone + 'static>(
        &mut self,
        entry: Entry,
        body: impl RhaiNativeFunc<A, N, X, R, true> + 'static,
    ) {
        self.modules.entry(entry.module).or_default().set_native_fn(entry.name, body);
        self.entries.push(entry);
    }

    /// Puts the modules into the engine and gives the list.
    pub fn finish(self) -> Vec<Entry> {
        for (name, module) in self.modules {
            self.engine.register_static_module(name, module.into());
        }
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::testing::Bench;

    #[test]
    fn every_entry_is_described_and_listed_once() {
        let entries = Bench::new().entries();

        let mut seen = BTreeSet::new();
        for entry in &entries {
            assert!(entry.doc.ends_with('.'), "{entry:?}");
            assert!(entry.signature == "constant" || entry.signature.starts_with('('), "{entry:?}");
            assert!(!entry.returns.is_empty() && !entry.actions.is_empty(), "{entry:?}");
            assert!(seen.insert((entry.module, entry.name, entry.signature)), "{entry:?}");
        }
        assert!(entries.len() > 200, "{}", entries.len());
    }

    #[test]
    fn nothing_but_execute_executes() {
        let entries = Bench::new().entries();

        for name in ["exec", "system", "trace_process", "wget"] {
            assert!(!entries.iter().any(|entry| entry.name == name), "{name}");
        }
    }
}

//! What the builders of options have in common: a constructor, setters with one value each, and `build`.

use crate::file_system::options::Builder;
use crate::registry::{Entry, NOTHING, Registrar};

/// A kind of options: the name of the finished ones, of the builder, and the signatures of its setters.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) builder: &'static str,
    pub(super) only: &'static str,
    pub(super) bool: &'static str,
    pub(super) number: &'static str,
    pub(super) text: &'static str,
    pub(super) date: &'static str,
    pub(super) unit: &'static str,
}

/// Spells out what differs only in one name, because the texts have to be constants.
macro_rules! kind {
    ($name:literal) => {
        Kind {
            name: $name,
            builder: concat!($name, "Builder"),
            only: concat!("(", $name, "Builder)"),
            bool: concat!("(", $name, "Builder, bool)"),
            number: concat!("(", $name, "Builder, i64)"),
            text: concat!("(", $name, "Builder, String)"),
            date: concat!("(", $name, "Builder, DateTime)"),
            unit: concat!("(", $name, "Builder, SizeUnit)"),
        }
    };
}

pub(super) use kind;

impl Kind {
    fn entry(
        &self,
        name: &'static str,
        signature: &'static str,
        returns: &'static str,
        doc: &'static str,
    ) -> Entry {
        Entry { module: self.name, name, signature, returns, actions: NOTHING, doc }
    }

    pub(super) fn setter(&self, name: &'static str, signature: &'static str, doc: &'static str) -> Entry {
        self.entry(name, signature, self.builder, doc)
    }

    /// Registers the constructor and the names of both types.
    pub(super) fn start<T: Clone + Default + 'static>(
        &self,
        registrar: &mut Registrar<'_>,
        type_name: &'static str,
    ) {
        registrar.type_name::<Builder<T>>(self.builder);
        registrar.type_name::<T>(type_name);
        let entry = self.entry(self.name, "()", self.builder, "Options with nothing set.");
        registrar.function(entry, Builder::<T>::default);
    }

    pub(super) fn build(&self) -> Entry {
        self.entry("build", self.only, self.name, "The finished options.")
    }

    /// Registers `build` for options of which nothing must be set.
    pub(super) fn plain_build<T: Clone + 'static>(&self, registrar: &mut Registrar<'_>) {
        registrar.function(self.build(), |builder: &mut Builder<T>| builder.0.clone());
    }
}

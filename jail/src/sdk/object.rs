//! What the objects of the SDK have in common: properties, and a map of them.

use rhai::{Array, Dynamic, INT, ImmutableString, Map};

use crate::network::connections::Endpoint;

/// A value that a property gives, and that stands in the map of its object.
pub(super) trait Property {
    /// As the property gives it.
    fn given(self) -> Dynamic;

    /// As the map has it: integers as those of the language, objects as maps, values that have constants as their texts.
    fn in_map(self) -> Dynamic;
}

/// Implements [`Property`] for what is the same in both.
macro_rules! plain {
    ($($kind:ty),+) => {
        $(impl Property for $kind {
            fn given(self) -> Dynamic {
                Dynamic::from(self)
            }

            fn in_map(self) -> Dynamic {
                Dynamic::from(self)
            }
        })+
    };
}

plain! { INT, f64, String, &'static str, ImmutableString }

impl Property for u64 {
    fn given(self) -> Dynamic {
        Dynamic::from(self)
    }

    fn in_map(self) -> Dynamic {
        Dynamic::from_int(crate::value::integer(self))
    }
}

impl Property for u16 {
    fn given(self) -> Dynamic {
        Dynamic::from(self)
    }

    fn in_map(self) -> Dynamic {
        Dynamic::from_int(self.into())
    }
}

impl Property for Endpoint {
    fn given(self) -> Dynamic {
        Dynamic::from(self)
    }

    fn in_map(self) -> Dynamic {
        Dynamic::from(self.to_string())
    }
}

impl<T: Property> Property for Vec<T> {
    fn given(self) -> Dynamic {
        Dynamic::from_array(self.into_iter().map(T::given).collect::<Array>())
    }

    fn in_map(self) -> Dynamic {
        Dynamic::from_array(self.into_iter().map(T::in_map).collect::<Array>())
    }
}

impl<T: Property> Property for Option<T> {
    fn given(self) -> Dynamic {
        self.map_or(Dynamic::UNIT, T::given)
    }

    fn in_map(self) -> Dynamic {
        self.map_or(Dynamic::UNIT, T::in_map)
    }
}

/// An object with properties.
pub(super) trait Object: Clone + 'static {
    /// Its properties as a map.
    fn to_map(&self) -> Map;
}

/// Registers the properties of an object and its map, as `property: "Type" "Sentence." = |object| value;`. What follows
/// `beside` is in no map.
macro_rules! object {
    (
        $kind:ty as $name:literal, $type_name:literal, $register:ident {
            $($key:ident: $returns:literal $doc:literal = |$this:ident| $value:expr;)+
        }
        beside { $($more:ident: $more_returns:literal $more_doc:literal = |$that:ident| $more_value:expr;)* }
    ) => {
        impl $crate::sdk::object::Object for $kind {
            fn to_map(&self) -> rhai::Map {
                use $crate::sdk::object::Property;
                [$((stringify!($key).into(), { let $this = self; Property::in_map($value) })),+].into_iter().collect()
            }
        }

        impl $crate::sdk::object::Property for $kind {
            fn given(self) -> rhai::Dynamic {
                rhai::Dynamic::from(self)
            }

            fn in_map(self) -> rhai::Dynamic {
                rhai::Dynamic::from_map($crate::sdk::object::Object::to_map(&self))
            }
        }

        fn $register(registrar: &mut $crate::registry::Registrar<'_>) {
            use $crate::registry::{Entry, NOTHING};
            use $crate::sdk::object::{Object, Property};
            registrar.type_name::<$kind>($type_name);
            let entry = |name, returns, doc| Entry {
                module: $name, name, signature: concat!("(", $name, ")"), returns, actions: NOTHING, doc,
            };
            $(registrar.function(
                entry(concat!("get$", stringify!($key)), $returns, $doc),
                |$this: &mut $kind| Property::given($value),
            );)+
            $(registrar.function(
                entry(concat!("get$", stringify!($more)), $more_returns, $more_doc),
                |$that: &mut $kind| Property::given($more_value),
            );)*
            registrar.function(
                entry("to_map", "Map", "Its properties by name."),
                |object: &mut $kind| Object::to_map(object),
            );
        }
    };
}

pub(super) use object;

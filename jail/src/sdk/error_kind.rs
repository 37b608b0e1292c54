//! The kinds of errors, as constants that a script compares with the kind of what it caught.

use rex_ipc::failure::ErrorKind;
use rhai::Dynamic;

use crate::error::family::{self, Family, Kind};
use crate::error::{COMMON_SOURCE, CommonErrorKind, IO_SOURCE, IoErrorKind};
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers the modules of kinds.
pub fn register(registrar: &mut Registrar<'_>) {
    register_io(registrar);
    register_common(registrar);
    register_family::<family::Processes>(registrar);
    register_family::<family::SystemInfo>(registrar);
    register_family::<family::Disks>(registrar);
    register_family::<family::Network>(registrar);
}

const IO_TYPE: &str = "RhaiSafeIoErrorKind";
const COMMON_TYPE: &str = "RhaiCommonUtilsErrorKind";

fn register_io(registrar: &mut Registrar<'_>) {
    registrar.type_name::<IoErrorKind>(IO_TYPE);
    let entry = |name, signature, returns, doc| Entry {
        module: IO_SOURCE,
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for &kind in ErrorKind::ALL {
        // These two are raised but have no constant; scripts compare their text.
        if matches!(kind, ErrorKind::CallbackError | ErrorKind::ProcessNamespaceFatalError) {
            continue;
        }
        let entry = entry(kind.name(), "constant", IO_TYPE, "A kind of file-system error.");
        registrar.constant(entry, Dynamic::from(IoErrorKind::constant(kind)));
    }
    let both = "(RhaiSafeIoErrorKind, RhaiSafeIoErrorKind)";
    registrar.function(
        entry("==", both, "bool", "Whether both are the same kind."),
        |a: IoErrorKind, b: IoErrorKind| a.kind == b.kind,
    );
    registrar.function(
        entry("!=", both, "bool", "Whether they are different kinds."),
        |a: IoErrorKind, b: IoErrorKind| a.kind != b.kind,
    );
    registrar.function(
        entry("to_string", "(RhaiSafeIoErrorKind)", "String", "The name of the kind."),
        |kind: IoErrorKind| kind.kind.name(),
    );
}

fn register_common(registrar: &mut Registrar<'_>) {
    registrar.type_name::<CommonErrorKind>(COMMON_TYPE);
    let entry = |name, signature, returns, doc| Entry {
        module: COMMON_SOURCE,
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for kind in CommonErrorKind::ALL {
        let entry = entry(kind.name(), "constant", COMMON_TYPE, "A kind of error of the common utilities.");
        registrar.constant(entry, Dynamic::from(kind));
    }
    let both = "(RhaiCommonUtilsErrorKind, RhaiCommonUtilsErrorKind)";
    registrar.function(
        entry("==", both, "bool", "Whether both are the same kind."),
        |a: CommonErrorKind, b: CommonErrorKind| a == b,
    );
    registrar.function(
        entry("!=", both, "bool", "Whether they are different kinds."),
        |a: CommonErrorKind, b: CommonErrorKind| a != b,
    );
    registrar.function(
        entry("to_string", "(RhaiCommonUtilsErrorKind)", "String", "The name of the kind."),
        |kind: CommonErrorKind| kind.name(),
    );
}

fn register_family<F: Family>(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Kind<F>>(F::TYPE_NAME);
    let entry = |name, signature, returns, doc| Entry {
        module: F::SOURCE,
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for &name in F::KINDS {
        let entry = entry(name, "constant", F::TYPE_NAME, "A kind of error.");
        registrar.constant(entry, Dynamic::from(Kind::<F>::constant(name)));
    }
    let (one, both) = F::SIGNATURES;
    registrar
        .function(entry("==", both, "bool", "Whether both are the same kind."), |a: Kind<F>, b: Kind<F>| {
            a.name() == b.name()
        });
    registrar.function(
        entry("!=", both, "bool", "Whether they are different kinds."),
        |a: Kind<F>, b: Kind<F>| a.name() != b.name(),
    );
    registrar
        .function(entry("to_string", one, "String", "The name of the kind."), |kind: Kind<F>| kind.name());
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn a_caught_kind_compares_with_the_constants() {
        let bench = Bench::new().file("/d/a", "").denying("read", "/d/a");
        let script = r#"
            let r = [];
            try { cat("/d/a") } catch (e) {
                r = [e.kind == IoErrorKind::PermissionDenied, e.kind != IoErrorKind::NotFound, `${e.kind}`,
                     e.kind.to_string(), "" + e.kind, type_of(e.kind), e.source, e.kind == 1];
            }
            r
        "#;

        assert_eq!(
            bench.output(script),
            r#"[true, true, "PermissionDenied", "PermissionDenied", "PermissionDenied", "RhaiSafeIoErrorKind", "IoErrorKind", false]"#
        );
    }

    #[test]
    fn kinds_are_constants_with_a_name() {
        assert_eq!(
            Bench::new().output("[IoErrorKind::Other, IoErrorKind::RustixError].map(|k| k.to_string())"),
            r#"["Other", "RustixError"]"#
        );
        assert_eq!(
            Bench::new().failure("IoErrorKind::CallbackError"),
            "Variable not found: IoErrorKind::CallbackError (line 1, position 1)"
        );
    }
}

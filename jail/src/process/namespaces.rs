//! Which namespaces a script asks to enter, and what keeps it from it.

use rhai::EvalAltResult;

use super::options::NamespaceOptions;
use super::{ErrorKind, invalid};

/// Why these namespaces are not entered: what is wrong with the options, or that it cannot be done at all.
///
/// Entering needs a process of its own for each namespace, which nothing here starts.
pub fn refusal(options: &NamespaceOptions) -> Box<EvalAltResult> {
    let by_name = options.net_ns_name.is_some();
    match options.pid {
        None if !by_name => {
            invalid("At least one namespace must be enabled. Must specify pid or namespace filename")
        }
        Some(_) if !options.mount && !options.net => {
            invalid("At least one namespace type (mount or net) must be enabled")
        }
        pid if by_name && (pid.is_some() || options.mount) => invalid(
            "Cannot set both name and pid, and entering a mount namespace by filename is not supported",
        ),
        _ => ErrorKind::error("Other", "Namespaces cannot be entered in this version"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn what_is_wrong_with_the_options_is_said_and_else_that_it_cannot_be_done() {
        let none = "ValidationError: Validation error: At least one namespace must be enabled. Must specify pid or namespace filename";
        let no_type =
            "ValidationError: Validation error: At least one namespace type (mount or net) must be enabled";
        let both = "ValidationError: Validation error: Cannot set both name and pid, and entering a mount namespace by filename is not supported";
        let never = "Other: Namespaces cannot be entered in this version";
        for (options, expected) in [
            ("", none),
            (".mount(true)", none),
            (".pid(1)", no_type),
            (".pid(1).net(true).net_ns_name(\"x\")", both),
            (".mount(true).net_ns_name(\"x\")", both),
            (".net_ns_name(\"x\")", never),
            (".net(true).net_ns_name(\"x\")", never),
            (".pid(1).mount(true)", never),
            (".pid(1).net(true)", never),
        ] {
            let script = format!(
                "let r = (); try {{ ProcessManager().nsenter(NamespaceOptions(){options}.build(), || 1) }} catch (e) {{ r = `${{e.kind}}: ${{e.message}}` }} r"
            );
            let bench = Bench::new();

            assert_eq!(bench.output(&script), expected, "{options}");
            assert!(bench.asked().is_empty());
        }
    }
}

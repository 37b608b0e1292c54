//! Whether a port of a host can be connected to.

use rex_ipc::bounded::Text;
use rex_ipc::network::{Connect, Protocol};
use rhai::{INT, NativeCallContext};

use super::{URL, in_words_of_rex};
use crate::error::Fallible;
use crate::error::family::{Kind, Network, OTHER};
use crate::session::Session;
use crate::value::{self, parameter_number};

/// A connection that could be made. Nothing can be done with it.
#[derive(Clone, Copy, Debug)]
pub struct Connection;

/// Connects to a port of a host.
///
/// # Errors
/// A text, for what is no port; `PermissionDenied`; `AuthorizationError`; `Other` when there is no such host or nobody answers.
pub fn connect(
    context: &NativeCallContext,
    endpoint: &str,
    port: INT,
    protocol: Protocol,
) -> Fallible<Connection> {
    let port: u16 = parameter_number("port", port)?;
    let session = Session::of(context);
    let endpoint = Text::new(endpoint)
        .ok_or_else(|| Kind::<Network>::error(OTHER, format!("Invalid address format: {endpoint}:{port}")))?;
    session
        .ask(value::line(context), Connect { endpoint, port, protocol })
        .map(|()| Connection)
        .map_err(|failed| Kind::<Network>::of(in_words_of_rex(&session, failed, URL, URL), OTHER))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    const WHY: &str = "fn why(e) { if type_of(e) == \"string\" { return e } `${e.kind}: ${e.message}` }";

    fn told(bench: &Bench, call: &str) -> String {
        bench.output(&format!("{WHY} let r = (); try {{ r = type_of({call}) }} catch (e) {{ r = why(e) }} r"))
    }

    #[test]
    fn a_connection_is_made_or_not() {
        let bench = Bench::new();

        assert_eq!(told(&bench, "connect(\"h\", 80, TransportProtocol::TCP)"), "Connection");
        assert_eq!(
            told(&bench, "connect(\"h\", 81, TransportProtocol::AUTO)"),
            "Other: Connection refused (os error 111)"
        );
    }

    // spec: "Port outside 0-65535 -> string error … before the check."
    #[test]
    fn a_port_is_looked_at_before_anything_is_asked() {
        for port in ["-1", "65536"] {
            let bench = Bench::new();
            assert_eq!(
                told(&bench, &format!("connect(\"h\", {port}, TransportProtocol::UDP)")),
                "Parameter 'port' conversion failed: out of range integral type conversion attempted"
            );
            assert!(bench.asked().is_empty());
        }
        let long = "x".repeat(2000);
        assert_eq!(
            told(&Bench::new(), &format!("connect(\"{long}\", 80, TransportProtocol::TCP)")),
            format!("Other: Invalid address format: {long}:80")
        );
    }

    // Case network.connect.denied.
    #[test]
    fn a_denial_is_told_as_rex_tells_it() {
        let call = "connect(\"h\", 80, TransportProtocol::TCP)";
        let denial = "PermissionDenied: Permission denied: tester unauthorized to perform network::Action::\"connect\" for network::url::";
        let bench = Bench::new().denying("connect", "h");

        assert_eq!(told(&bench, call), format!("{denial}h"));
        assert_eq!(told(&bench.like_rex(), call), format!("{denial}\"h\""));
    }

    #[test]
    fn protocols_can_be_compared() {
        let script = "let p = TransportProtocol::TCP; [p == TransportProtocol::TCP, p != TransportProtocol::AUTO, type_of(p), `${p}`]";

        assert_eq!(Bench::new().output(script), r#"[true, true, "TransportProtocol", "TCP"]"#);
        assert_eq!(
            Bench::new().like_rex().output(script),
            r#"[true, true, "TransportProtocol", "TransportProtocol"]"#
        );
    }
}

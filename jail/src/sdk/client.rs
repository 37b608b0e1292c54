//! HTTP, and connections that are tried, under the names that scripts know.

use rex_ipc::network::Protocol;
use rhai::{Dynamic, INT, ImmutableString, NativeCallContext};

use super::command::command;
use super::object::object;
use crate::network::client::{Client, Request, Response};
use crate::network::connect::{self, Connection};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;

/// Registers commands, objects and constants.
pub fn register(registrar: &mut Registrar<'_>) {
    register_functions(registrar);
    register_client(registrar);
    register_request(registrar);
    register_response(registrar);
    register_protocols(registrar);
}

const GET: &str = "network::Action::\"GET\" url(<url>)";
const CONNECT: &str = "network::Action::\"connect\" url(<endpoint>)";

fn register_functions(registrar: &mut Registrar<'_>) {
    registrar.function(
        command("curl", "(url: String)", "Response", GET, "Fetches what is at a URL."),
        |context: NativeCallContext, url: ImmutableString| {
            Session::of(&context).as_text(Client::default().get(url).send(&context))
        },
    );
    registrar.type_name::<Connection>("Connection");
    registrar.function(
        Entry {
            module: "global",
            name: "connect",
            signature: "(endpoint: String, port: i64, TransportProtocol)",
            returns: "Connection",
            actions: CONNECT,
            doc: "Tries whether a port of a host can be connected to.",
        },
        |context: NativeCallContext, endpoint: &str, port: INT, protocol: Protocol| {
            connect::connect(&context, endpoint, port, protocol)
        },
    );
}

fn register_client(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Client>("Client");
    let entry = |name, signature, returns, doc| Entry {
        module: "Client",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("Client", "()", "Client", "What makes requests; nothing is sent yet."),
        Client::default,
    );
    registrar.function(
        entry(
            "max_text_bytes",
            "(Client, size: i64)",
            "Client",
            "Another client, whose requests keep only so many bytes of the body.",
        ),
        |client: &mut Client, size: INT| client.with_limit(size),
    );
    registrar.function(
        entry("get", "(Client, url: String)", "Request", "A request for a URL; nothing is sent yet."),
        |client: &mut Client, url: ImmutableString| client.get(url),
    );
    registrar.function(
        Entry {
            module: "Request",
            name: "send",
            signature: "(Request)",
            returns: "Response",
            actions: GET,
            doc: "Sends the request, and gives what the server answers.",
        },
        |context: NativeCallContext, request: Request| request.send(&context),
    );
}

object! {
    Request as "Request", "Request", register_request {
        url: "String" "The URL, as it was given." = |request| request.url.clone();
        method: "String" "The method, which is `Get`." = |_request| "Get";
        max_text_size: "i64 | ()" "How many bytes of the body are kept, if there is a limit." = |request| request.max_text_size();
    }
    beside {}
}

object! {
    Response as "Response", "Response", register_response {
        status: "u16" "The status, such as 200 or 404." = |response| response.status;
        text: "String" "The body, decoded as UTF-8." = |response| response.text.clone();
    }
    beside {}
}

fn register_protocols(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Protocol>("TransportProtocol");
    let entry = |name, signature, returns, doc| Entry {
        module: "TransportProtocol",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for (name, protocol, doc) in [
        ("TCP", Protocol::Tcp, "TCP alone."),
        ("UDP", Protocol::Udp, "UDP alone."),
        ("AUTO", Protocol::Either, "Whichever does."),
    ] {
        registrar.constant(entry(name, "constant", "TransportProtocol", doc), Dynamic::from(protocol));
    }
    let both = "(TransportProtocol, TransportProtocol)";
    registrar
        .function(entry("==", both, "bool", "Whether both are the same."), |a: Protocol, b: Protocol| a == b);
    registrar.function(entry("!=", both, "bool", "Whether they differ."), |a: Protocol, b: Protocol| a != b);
}

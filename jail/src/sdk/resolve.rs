//! Addresses of names, under the names that scripts know.

use rex_ipc::network::Protocol;
use rhai::{INT, ImmutableString, NativeCallContext};

use super::command::command;
use crate::file_system::options::Builder;
use crate::network::resolve::{ResolveConfig, resolve};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::sysinfo::Host;

const RESOLVE: &str = "sysinfo::Action::\"resolve_hostname\" Hostname(<host>)";

/// Registers the command, the method and their options.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.function(
        command("resolve", "(host: String)", "Array<String>", RESOLVE, "The addresses of a name."),
        |context: NativeCallContext, host: ImmutableString| {
            let config = ResolveConfig { hostname: Some(host), ..ResolveConfig::default() };
            Session::of(&context).as_text(resolve(&context, &config))
        },
    );
    registrar.function(
        Entry {
            module: "SystemInfo",
            name: "resolve_hostname",
            signature: "(SystemInfo, ResolveConfig)",
            returns: "Array<String>",
            actions: RESOLVE,
            doc: "The addresses of a name, asked for as the options say.",
        },
        |context: NativeCallContext, _: Host, config: ResolveConfig| resolve(&context, &config),
    );
    register_options(registrar);
}

fn register_options(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Builder<ResolveConfig>>("ResolveConfigBuilder");
    registrar.type_name::<ResolveConfig>("ResolveConfig");
    let entry = |name, signature, returns, doc| Entry {
        module: "ResolveOptions",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    let builder = "ResolveConfigBuilder";
    registrar.function(
        entry("ResolveOptions", "()", builder, "Options with nothing set."),
        Builder::<ResolveConfig>::default,
    );
    let (text, number) = ("(ResolveConfigBuilder, String)", "(ResolveConfigBuilder, i64)");
    registrar.setter(
        entry("hostname", text, builder, "The name; it must be set."),
        |builder: &mut Builder<ResolveConfig>, name: ImmutableString| builder.0.hostname = Some(name),
    );
    registrar.setter(
        entry(
            "protocol",
            "(ResolveConfigBuilder, TransportProtocol)",
            builder,
            "How name servers are asked: over UDP, TCP, or over UDP and over TCP where an answer does not fit.",
        ),
        |builder: &mut Builder<ResolveConfig>, protocol: Protocol| builder.0.protocol = protocol,
    );
    registrar.setter(
        entry("resolver", text, builder, "The address of the name server that is asked."),
        |builder: &mut Builder<ResolveConfig>, server: ImmutableString| builder.0.resolver = Some(server),
    );
    registrar.fallible_setter(
        entry(
            "timeout",
            number,
            builder,
            "How long each answer is waited for, in seconds; 5 if it is not set.",
        ),
        |builder: &mut Builder<ResolveConfig>, seconds: INT| builder.timeout(seconds),
    );
    registrar.function(
        entry("build", "(ResolveConfigBuilder)", "ResolveConfig", "The finished options."),
        |builder: &mut Builder<ResolveConfig>| builder.build(),
    );
}

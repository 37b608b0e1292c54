//! Executing files, under the names that scripts know.

use rhai::{Array, INT, ImmutableString, Map, NativeCallContext};

use super::kind::{Kind, kind};
use super::object::object;
use crate::file_system::execute::{ChildNamespaceOptions, ExecuteOptions, ExecuteResult};
use crate::file_system::file::FileHandle;
use crate::file_system::options::Builder;
use crate::registry::{Entry, Registrar};

/// Registers options, method and result.
pub fn register(registrar: &mut Registrar<'_>) {
    register_namespace(registrar);
    register_options(registrar);
    register_result(registrar);
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "execute",
            signature: "(FileHandle, ExecuteOptions)",
            returns: "ExecuteResult",
            actions: "execute File{arguments,environment,user,group,namespace?}",
            doc: "Executes the file, and waits until it has ended.",
        },
        |context: NativeCallContext, file: FileHandle, options: ExecuteOptions| {
            file.execute(&context, &options)
        },
    );
}

fn register_namespace(registrar: &mut Registrar<'_>) {
    type Namespace = Builder<ChildNamespaceOptions>;
    let kind = kind!("ChildNamespaceOptions");
    kind.start::<ChildNamespaceOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("target_process", kind.number, "The process whose namespaces are entered."),
        |builder: &mut Namespace, pid: INT| builder.0.target_process = Some(pid),
    );
    registrar.function(kind.build(), Namespace::build);
}

fn register_options(registrar: &mut Registrar<'_>) {
    type Options = Builder<ExecuteOptions>;
    let kind = kind!("ExecuteOptions");
    kind.start::<ExecuteOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("user", kind.text, "The user that the program becomes."),
        |builder: &mut Options, name: ImmutableString| builder.0.user = Some(name),
    );
    registrar.setter(
        kind.setter("group", kind.text, "The group that the program becomes."),
        |builder: &mut Options, name: ImmutableString| builder.0.group = Some(name),
    );
    registrar.setter(
        kind.setter(
            "namespace",
            "(ExecuteOptionsBuilder, ChildNamespaceOptions)",
            "The namespaces that the program enters; `execute` refuses them.",
        ),
        |builder: &mut Options, options: ChildNamespaceOptions| builder.0.namespace = Some(options),
    );
    registrar.fallible_setter(
        kind.setter(
            "args",
            "(ExecuteOptionsBuilder, Array)",
            "The arguments: words, and arrays of a key with its value.",
        ),
        |builder: &mut Options, given: Array| builder.set_arguments(&given),
    );
    registrar.fallible_setter(
        kind.setter("env", "(ExecuteOptionsBuilder, Map)", "Every variable that the program receives."),
        |builder: &mut Options, given: Map| builder.set_environment(&given),
    );
    registrar.fallible_setter(
        kind.setter(
            "capabilities",
            "(ExecuteOptionsBuilder, Array)",
            "The capabilities that the program keeps, such as `CAP_NET_ADMIN`.",
        ),
        |builder: &mut Options, given: Array| builder.set_capabilities(&given),
    );
    registrar.function(kind.build(), Options::build);
}

object! {
    ExecuteResult as "ExecuteResult", "rust_safe_io::execute::ExecuteResult", register_result {
        stdout: "String" "What the program has written to its standard output." = |result| result.stdout.clone();
        stderr: "String" "What the program has written to its standard error." = |result| result.stderr.clone();
        exit_code: "i64" "Its status, or the signal that has ended it, as a negative number." = |result| result.exit_code;
    }
    beside {}
}

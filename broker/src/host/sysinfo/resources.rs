//! What the policy can be asked about the host as a whole.

use rex_ipc::action::kind;

use super::object::{KernelLog, MountPoint, Parameter, Parameters, Table, TableInside, ThisHost};
use crate::gate::Resource;
use crate::gate::sealed::Sealed;

impl Sealed for ThisHost {}

impl Resource for ThisHost {
    type Kind = kind::Sysinfo;
    type Context = ();

    fn id(&self) {}
}

impl Sealed for Parameters {}

impl Resource for Parameters {
    type Kind = kind::Sysctl;
    type Context = ();

    fn id(&self) {}
}

/// The resources that are known by a path: `type: kind, its path`.
macro_rules! resources {
    ($($resource:ty: $kind:ident, |$it:ident| $path:expr;)+) => {
        $(impl Sealed for $resource {}

        impl Resource for $resource {
            type Kind = kind::$kind;
            type Context = ();

            fn id(&self) -> &str {
                let $it = self;
                $path
            }
        })+
    };
}

resources! {
    Table: File, |it| it.path();
    TableInside: File, |it| &it.path;
    KernelLog: File, |_it| KernelLog::PATH;
    Parameter: File, |it| it.path.as_str();
    MountPoint: Dir, |it| it.path.as_str();
}

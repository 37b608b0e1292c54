//! What the policy can be asked about the network.

use rex_ipc::action::kind;

use super::object::{Endpoint, Name, Spelled};
use crate::gate::Resource;
use crate::gate::sealed::Sealed;

/// The resources that are known by a text: `type: kind`.
macro_rules! resources {
    ($($resource:ty: $kind:ident;)+) => {
        $(impl Sealed for $resource {}

        impl Resource for $resource {
            type Kind = kind::$kind;
            type Context = ();

            fn id(&self) -> &str {
                &self.text
            }
        })+
    };
}

resources! {
    Spelled: Url;
    Endpoint: Url;
    Name: Hostname;
}

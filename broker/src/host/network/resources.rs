//! What the policy can be asked about the network.

use rex_ipc::action::{context, kind};

use super::object::{Endpoint, Name, Spelled};
use crate::gate::Resource;
use crate::gate::sealed::Sealed;
use crate::policy::ContextRef;

impl Sealed for Spelled {}

impl Resource for Spelled {
    type Kind = kind::Url;
    type Context = context::Request;

    fn id(&self) -> &str {
        &self.text
    }

    fn context(&self) -> ContextRef<'_> {
        let (port, scheme) = match &self.url {
            None => (0, ""),
            Some(url) => (url.port, if url.is_secure { "https" } else { "http" }),
        };
        ContextRef::Get { host: &self.host, port, scheme, hop: self.hop, address: self.address }
    }
}

impl Sealed for Endpoint {}

impl Resource for Endpoint {
    type Kind = kind::Url;
    type Context = context::Connection;

    fn id(&self) -> &str {
        &self.text
    }

    fn context(&self) -> ContextRef<'_> {
        ContextRef::Connect { port: self.port, protocol: self.protocol, address: self.address }
    }
}

impl Sealed for Name {}

impl Resource for Name {
    type Kind = kind::Hostname;
    type Context = ();

    fn id(&self) -> &str {
        &self.text
    }
}

//! The operations on the network: a file for each, and how URLs and names are asked for under each of their spellings.

mod begin_get;
mod connect;
mod known_addresses;
mod query_name;
mod read_response;

use core::net::IpAddr;

use rex_ipc::action::network::Get;
use rex_ipc::action::sysinfo::ResolveHostname;
use rex_ipc::interface::Needs;
use rex_ipc::network::HostText;
use rex_ipc::sysinfo::Address;

use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::network::object::{Name, Question, Spelled};
use crate::ops::call::Call;
use crate::policy::url::{Host, Url, is_special};

/// Asks for `GET` on a URL under one of its spellings.
fn ask_to_get<'req, O: Needs<Get>>(
    call: &mut Call<'req, O>,
    question: &Question,
    url: Option<&Url>,
) -> Result<Permit<'req, Get, Spelled>, Error> {
    let spelled = Spelled {
        text: question.text.clone(),
        url: url.cloned(),
        host: url.map(|url| url.host.to_string()).unwrap_or_default(),
        hop: question.hop,
        address: question.address,
    };
    if question.beyond_rex {
        call.authorize_beyond_rex::<Get, _>(spelled)
    } else {
        call.authorize::<Get, _>(spelled)
    }
}

/// Asks for `resolve_hostname` on a name as given, and on its canonical form where that is another.
fn ask_to_resolve<'req, O: Needs<ResolveHostname>>(
    call: &mut Call<'req, O>,
    host: &HostText,
) -> Result<Permit<'req, ResolveHostname, Name>, Error> {
    let given = host.as_str().to_owned();
    let permit = call.authorize::<ResolveHostname, _>(Name { text: given.clone(), given: given.clone() })?;
    match Host::bare(&given) {
        Ok(Host::Name(name)) if name != given => {
            call.authorize_beyond_rex::<ResolveHostname, _>(Name { text: name, given })
        }
        // An address is no name of anything: it is told as it was given.
        _ => Ok(permit),
    }
}

/// Those addresses of a host that are asked for beside its name. That `localhost` is this host everybody knows.
fn to_be_asked_for(host: &Host, addresses: &[IpAddr]) -> Vec<IpAddr> {
    match host {
        Host::Name(name) if name != "localhost" => {
            addresses.iter().copied().filter(|address| is_special(*address)).collect()
        }
        _ => Vec::new(),
    }
}

/// An address for the wire.
fn on_the_wire(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::V4(address.octets()),
        IpAddr::V6(address) => Address::V6(address.octets()),
    }
}

/// An address from the wire.
fn from_the_wire(address: Address) -> IpAddr {
    match address {
        Address::V4(bytes) => IpAddr::from(bytes),
        Address::V6(bytes) => IpAddr::from(bytes),
    }
}

//! Which network interfaces there are, and their addresses.

use core::net::{Ipv4Addr, Ipv6Addr};

use rex_ipc::sysinfo::{Address, ListInterfaces};
use rhai::{Array, Dynamic, NativeCallContext};

use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::Session;
use crate::value;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub interface_name: String,
    /// Its addresses, without the length of a prefix and without a zone.
    pub addresses: Vec<String>,
}

/// Every interface, in the order of the broker.
///
/// # Errors
/// `PermissionDenied`; `Other` for the system's failures; the limit on arrays.
pub fn list(context: &NativeCallContext) -> Fallible<Array> {
    let (session, line) = (Session::of(context), value::line(context));
    let most = array_limit(&session);
    let mut found: Vec<Network> = Vec::new();
    let mut addresses = 0_usize;
    let mut skip = 0_u32;
    loop {
        let page = session
            .ask(line, ListInterfaces { skip })
            .map_err(|failed| Kind::<SystemInfo>::of(failed, OTHER))?;
        let interfaces = page.interfaces.into_vec();
        let end = page.end || interfaces.is_empty();
        skip = skip.saturating_add(u32::try_from(interfaces.len()).unwrap_or(u32::MAX));
        for interface in interfaces {
            let part = interface.addresses.into_vec().into_iter().map(text_of);
            addresses = addresses.saturating_add(part.len());
            match found.last_mut() {
                // What does not fit into one part goes on in the next.
                Some(last) if last.interface_name == interface.name.as_str() => last.addresses.extend(part),
                _ => found.push(Network {
                    interface_name: interface.name.into_string(),
                    addresses: part.collect(),
                }),
            }
            if found.len().max(addresses) > most {
                return Err(too_large(TooLarge::Array));
            }
        }
        if end {
            return Ok(found.into_iter().map(Dynamic::from).collect());
        }
    }
}

fn text_of(address: Address) -> String {
    match address {
        Address::V4(octets) => Ipv4Addr::from(octets).to_string(),
        Address::V6(octets) => Ipv6Addr::from(octets).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::{List, Text};
    use rex_ipc::sysinfo::{Address, Interface};

    use crate::testing::Bench;

    fn bench() -> Bench {
        let bench = Bench::new();
        let interface = |name: &str, addresses: &[Address]| Interface {
            name: Text::new(name).unwrap(),
            addresses: List::new(addresses.to_vec()).unwrap(),
        };
        let mut local = [0; 16];
        local[15] = 1;
        bench.world.borrow_mut().host.interfaces = vec![
            interface("lo", &[Address::V4([127, 0, 0, 1])]),
            interface("lo", &[Address::V6(local)]),
            interface("eth0", &[]),
        ];
        bench
    }

    #[test]
    fn interfaces_have_names_and_addresses() {
        for page in [1, 2, 100] {
            for bench in [bench(), bench().like_rex()] {
                bench.world.borrow_mut().page_entries = page;
                assert_eq!(
                    bench.output("ip_addr().map(|n| [n.interface_name, n.addresses])"),
                    r#"[["lo", ["127.0.0.1", "::1"]], ["eth0", []]]"#
                );
                assert_eq!(
                    bench.output("ip_addresses().map(|n| n.to_map())"),
                    r##"[#{"addresses": ["127.0.0.1", "::1"], "interface_name": "lo"}, #{"addresses": [], "interface_name": "eth0"}]"##
                );
            }
        }
    }

    #[test]
    fn they_need_list() {
        let script = "let r = []; try { ip_addr() } catch (e) { r.push(type_of(e)) } \
                      try { ip_addresses() } catch (e) { r.push(e.kind.to_string()); r.push(e.source) } r";

        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.denying("list", "Sysinfo").output(script),
                r#"["string", "PermissionDenied", "SysteminfoErrorKind"]"#
            );
        }
    }

    #[test]
    fn more_addresses_than_an_array_holds_end_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 1;

        assert!(bench.run("ip_addr()").text.starts_with("Size of array/BLOB too large"));
    }
}

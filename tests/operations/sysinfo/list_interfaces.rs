//! Network interfaces.

use rex_ipc::sysinfo::{Address, ListInterfaces};
use rex_tests::session::Session;

use super::LIST;

#[test]
fn permitted() {
    let mut session = Session::with_policy(LIST);

    let page = session.send(ListInterfaces { skip: 0 }).unwrap();

    assert!(page.end);
    let lo = page.interfaces.as_slice().iter().find(|interface| interface.name.as_str() == "lo").unwrap();
    assert!(lo.addresses.as_slice().contains(&Address::V4([127, 0, 0, 1])), "{lo:?}");
    assert_eq!(session.questions(), ["permit list sysinfo::Sysinfo host"]);
    let rest = session.send(ListInterfaces { skip: page.interfaces.as_slice().len() as u32 }).unwrap();
    assert!(rest.end && rest.interfaces.as_slice().is_empty());
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");

    assert!(session.send(ListInterfaces { skip: 0 }).unwrap_err().is_denial());
}

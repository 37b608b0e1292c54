//! Runs that look names up where a name server of another implementation has port 53, in a network of their own.

use std::fs;
use std::process::Output;

use nix::unistd::geteuid;
use rex_tests::runs::PERMIT_ALL;
use rex_tests::skip::skipped;

use super::people::{USUAL, place, run, text};

/// What the name server knows.
const ZONE: &str = "local=/test/\nhost-record=four.test,192.0.2.7\nhost-record=both.test,192.0.2.8,2001:db8::8\n\
                    cname=alias.test,both.test\nhost-record=here.test,127.0.0.1\n\
                    host-record=metadata.test,169.254.169.254\n";

/// Runs a script in a network that has nothing but a loopback interface and a dnsmasq, which ends with it.
fn in_own_network(script: &str, policy: &str) -> Option<Output> {
    if !geteuid().is_root() {
        skipped("only root can make a network with a name server at port 53");
        return None;
    }
    let many: String = (1..=60).map(|last| format!("host-record=many.test,192.0.2.{last}\n")).collect();
    let scratch = place(script);
    scratch.file("policy.cedar", policy);
    scratch.file("zone", format!("{ZONE}{many}"));
    scratch.file("resolver", "nameserver 127.0.0.1\n");
    let own_network = "ip link set lo up && mount --bind resolver /etc/resolv.conf && {
         /usr/sbin/dnsmasq --no-daemon --no-resolv --no-hosts --listen-address=127.0.0.1 --bind-interfaces \
           --pid-file --conf-file=zone 2>names.log & } &&
         until grep -q 'started' names.log; do kill -0 $! || exit 99; sleep 0.05; done &&
         \"$@\"; status=$?; kill $!; wait $!; exit $status";
    let command = run(&scratch, &USUAL);
    let mut behind = std::process::Command::new("unshare");
    behind.args(["--net", "--mount", "sh", "-c", own_network, "sh"]).arg(command.get_program());
    behind.args(command.get_args()).current_dir(scratch.path());
    behind.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = behind.output().expect("unshare can be run");
    let log = fs::read_to_string(scratch.path().join("names.log")).unwrap_or_default();
    assert_ne!(
        output.status.code(),
        Some(99),
        "dnsmasq, of Debian's package dnsmasq-base, does not run: {log}"
    );
    Some(output)
}

#[test]
fn a_script_finds_the_addresses_of_names() {
    let script = r#"
        let both = resolve("both.test"); both.sort();
        let alias = resolve("alias.test"); alias.sort();
        let nobody = "found"; try { resolve("nobody.test") } catch (error) { nobody = "none" }
        let tcp = SystemInfo().resolve_hostname(
            ResolveOptions().hostname("four.test").protocol(TransportProtocol::TCP).build());
        `${resolve("four.test")} ${both} ${alias} ${resolve("many.test").len()} ${tcp} ${nobody}`"#;
    let Some(output) = in_own_network(script, PERMIT_ALL) else { return };

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let both = r#"["192.0.2.8", "2001:db8::8"]"#;
    let expected = format!(r#"["192.0.2.7"] {both} {both} 60 ["192.0.2.7"] none"#);
    assert_eq!(text(&output.stdout).trim_end(), expected);
}

// An attacker's name for this host, and for what a cloud tells its machines about themselves.
#[test]
fn a_name_that_leads_to_this_host_or_its_link_needs_a_permit_for_the_address() {
    let script = r#"
        let told = [];
        for host in ["here.test", "metadata.test"] {
            try { curl(`http://${host}:9/`) } catch (error) { told.push(`${error}`) }
        }
        told"#;
    let named = r#"permit(principal, action == network::Action::"GET", resource)
                   when { resource.url like "http://*.test:9/" };"#;
    let Some(denied) = in_own_network(script, named) else { return };

    let said = text(&denied.stdout);
    for address in ["127.0.0.1", "169.254.169.254"] {
        let denial = format!("network::Action::\\\"GET\\\" for network::url::http://{address}:9/");
        assert!(said.contains(&denial), "{said}{}", text(&denied.stderr));
    }
    // The control: with a permit for it the address is reached, and nobody listens there.
    let Some(reached) = in_own_network(r#"curl("http://here.test:9/")"#, PERMIT_ALL) else { return };
    assert!(text(&reached.stderr).contains("Connection refused"), "{}", text(&reached.stderr));
}

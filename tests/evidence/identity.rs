//! T1, T2, T3 and T20: whose token decides, what an inner actor changes, purposes and files, and what a record tells.

use std::collections::BTreeSet;

use rex_tests::runs::{Ended, Run};
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::host::{Host, tokens};

/// Personal data, and a policy for it.
struct Data(Scratch);

impl Data {
    fn new() -> Self {
        let data = Self(Scratch::new());
        std::fs::create_dir(data.0.path().join("personal")).expect("a directory can be made");
        data.0.file("personal/a", "canary");
        data
    }

    fn script(&self) -> String {
        format!("cat(\"{}/personal/a\")", self.0.path().display())
    }

    fn policy(&self) -> String {
        let place = self.0.path().display();
        format!(
            "@id(\"find\") permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"stat\"], resource);
             @id(\"claims\") permit(principal in Group::\"billing\", action == file_system::Action::\"read\",
                 resource in file_system::Dir::\"{place}/personal\")
             when {{ context.session.purpose in Purpose::\"claims\" && principal.hasTag(\"dept\") && principal.getTag(\"dept\") == \"billing\" }};
             @id(\"verified people\") forbid(principal, action == file_system::Action::\"read\", resource)
             unless {{ context.session.assurance >= 2 }};"
        )
    }

    fn run(&self) -> Run {
        Run::of(&self.script()).policy(&self.policy())
    }
}

#[track_caller]
fn refused(ended: &Ended, why: &str) {
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.message().contains(why), "{}", ended.message());
    assert!(!ended.text().contains("canary"));
}

#[test]
fn t1_only_the_token_of_this_person_for_this_host_opens_personal_data() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();

    let without = host.behind(data.run()).finish();
    assert_eq!(without.code(), Some(77), "{}", without.stderr);
    assert!(without.records().iter().all(|record| record.get("delegation").is_none()));
    for (token, why) in [
        ("expired", "it ended"),
        ("wrong audience", "not meant for this host"),
        ("other_key", "no key of the issuer has signed it"),
        ("none", "`alg`"),
        ("hs256_with_the_public_key", "`alg`"),
        ("es256", "`alg`"),
        ("rs256", "`alg`"),
        ("plain_jwt", "`typ`"),
        ("detached_crit", "`crit`"),
        ("other user", "given to user 5012, and user 0 has brought it"),
        ("one script", "another script"),
    ] {
        refused(&host.with(data.run(), token).finish(), why);
    }
    let ended = host.with(data.run(), "root").finish();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.document()["output"], "canary");
    // Of one name (`jti`), with more rights.
    refused(&host.with(data.run(), "replayed").finish(), "said something else");
    assert_eq!(host.with(data.run(), "root").finish().code(), Some(0), "a token opens many runs");
    // Nobody's purpose, and another one.
    for token in ["no purpose", "for marketing"] {
        let ended = host.with(data.run(), token).finish();
        assert_eq!(ended.code(), Some(77), "{token}: {}", ended.stderr);
    }
}

#[test]
fn t1_a_token_that_was_used_is_its_first_users() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();
    assert_eq!(host.with(Run::of("1"), "any user").finish().code(), Some(0));
    let used = host.path("lib/rex-broker/delegations/used");
    let noted = std::fs::read_to_string(&used).expect("it is noted");
    let of_another = noted.replace(" 0 4102444800 ", " 5012 4102444800 ");
    assert_ne!(noted, of_another);

    std::fs::write(&used, of_another).expect("it can be written");

    refused(&host.with(data.run(), "any user").finish(), "user 5012 has used it before");
}

#[test]
fn t1_revoked_tokens_and_what_root_did_not_set_up_are_refused() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();
    let revoked = "lib/rex-broker/delegations/revoked";
    for (line, why) in [
        ("jti root\n", "it is revoked"),
        ("sub alice@corp.example\n", "whatever is delegated by its person is revoked"),
        ("agent spiffe://corp.example/agent/planner\n", "delegated to its agent is revoked"),
        ("jti other\nroot\n", "line 2"),
    ] {
        host.write(revoked, line);
        refused(&host.with(data.run(), "root").finish(), why);
    }
    host.write(revoked, "jti other\n");
    assert_eq!(host.with(data.run(), "root").finish().code(), Some(0));

    let keys = host.path("etc/rex-broker/keys.json");
    let given = |owner: u32| std::os::unix::fs::chown(&keys, Some(owner), None).expect("root may");
    given(5012);
    refused(&host.with(data.run(), "root").finish(), "belongs to user 5012");
    given(0);
    host.write("lib/rex-broker/delegations/used", "damaged\n");
    refused(&host.with(data.run(), "root").finish(), "line 1 is damaged");
    host.write("etc/rex-broker/config.toml", "delegation-issuer = \"https://idp.example\"\n");
    refused(&host.with(data.run(), "root").finish(), "have to be set in /etc/rex-broker");
}

#[test]
fn t1_neither_the_environment_nor_a_missing_file_says_whom_to_believe() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();

    let by_variable =
        host.with(data.run(), "root").variable("REX_BROKER_DELEGATION_ISSUER", "https://evil.example");
    refused(&by_variable.finish(), "only a file of root's in /etc/rex-broker says whom to believe");
    let missing = host.behind(data.run()).options(["--delegation", "/nowhere/token"]);
    refused(&missing.finish(), "/nowhere/token: ");
    let closed = host.behind(data.run()).options(["--delegation", "fd:77"]);
    refused(&closed.finish(), "it was not open when the program started");
}

#[test]
fn t1_the_script_reaches_neither_token_nor_keys_nor_what_was_noted() {
    let Some(host) = Host::new() else { return };
    host.write("lib/rex-broker/delegations/revoked", "");
    for path in [
        "TOKEN",
        "/etc/rex-broker/keys.json",
        "/var/lib/rex-broker/delegations/revoked",
        "/var/lib/rex-broker/delegations/new",
    ] {
        let run = Run::of("");
        let token = run.scratch.path().join("token").display().to_string();
        let path = path.replace("TOKEN", &token);
        run.scratch.file("script.rhai", format!("cat(\"{path}\")"));

        let ended = host.with(run, "root").finish();

        assert_eq!(ended.code(), Some(77), "{path}: {} {}", ended.text(), ended.stderr);
        assert!(ended.text().contains("the delegations of this host"), "{path}: {}", ended.text());
    }
}

#[test]
fn t1_a_delegation_is_nothing_for_a_broker_without_root() {
    if !rex_tests::tree::is_root() {
        return;
    }
    let run = Run::of("1").user(54_321).options(["--delegation", "/dev/null"]);
    let place = run.scratch.path().to_owned();
    for path in [&place, &place.join("script.rhai"), &place.join("policy.cedar")] {
        std::os::unix::fs::chown(path, Some(54_321), Some(54_321)).expect("root may");
    }

    refused(&run.finish(), "only a broker that runs as root");
}

#[test]
fn t2_an_inner_actor_changes_no_decision_but_those_about_depth() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();
    let depth = format!(
        "{}\n@id(\"depth\") forbid(principal, action == file_system::Action::\"read\", resource) when {{ context.session.depth > 2 }};",
        data.policy()
    );
    let decisions = |token: &str, policy: &str| -> Vec<Value> {
        let ended = host.with(Run::of(&data.script()).policy(policy), token).finish();
        let records = ended.records();
        let decided = records.iter().filter(|record| record["event"] == "decision");
        decided
            .map(|record| {
                json!([record["action"], record["resource"], record["decision"], record["policies"]])
            })
            .collect()
    };

    let true_chain = decisions("root", &depth);
    assert!(
        true_chain.len() > 2 && true_chain.iter().all(|decision| decision[2] == "permit"),
        "{true_chain:?}"
    );
    assert_eq!(decisions("inner forged", &depth), true_chain);
    assert_eq!(decisions("deeper", &data.policy()), decisions("root", &data.policy()));
    let deeper = decisions("deeper", &depth);
    let read = deeper.iter().find(|decision| decision[0] == "file_system::Action::\"read\"");
    assert_eq!(read.map(|read| &read[3]), Some(&json!(["depth"])), "{deeper:?}");
}

#[test]
fn t3_the_matrix_of_purposes_and_files_is_the_oracles() {
    let Some(host) = Host::new() else { return };
    const INTENDED: [&str; 4] = ["claims", "payment", "marketing", "treatment"];
    let data = Scratch::new();
    let place = data.path().display().to_string();
    let mut policy = String::from(
        "permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"stat\"], resource);\n",
    );
    for purpose in INTENDED {
        std::fs::create_dir(data.path().join(purpose)).expect("a directory can be made");
        data.file(&format!("{purpose}/f"), purpose);
        policy += &format!(
            "permit(principal, action == file_system::Action::\"read\", resource in file_system::Dir::\"{place}/{purpose}\")
             when {{ context.session.purpose in Purpose::\"{purpose}\" }};\n"
        );
    }
    let script = format!(
        "let read = []; for purpose in {INTENDED:?} {{ try {{ read.push(cat(\"{place}/\" + purpose + \"/f\")); }} catch {{ }} }} read"
    );
    let made = tokens();
    let purposes: BTreeSet<&str> =
        made["tokens"].as_object().unwrap().keys().filter_map(|name| name.strip_prefix("for ")).collect();
    assert_eq!(purposes.len(), 5);

    for purpose in purposes.iter().map(|purpose| Some(*purpose)).chain([None]) {
        let token = purpose.map_or_else(|| "no purpose".to_owned(), |purpose| format!("for {purpose}"));
        let ended = host.with(Run::of(&script).policy(&policy), &token).finish();

        let read: BTreeSet<String> =
            serde_json::from_str::<Vec<String>>(ended.document()["output"].as_str().unwrap())
                .unwrap()
                .into_iter()
                .collect();
        let is_meant =
            |intended: &&str| purpose.is_some_and(|purpose| purpose.split('/').next() == Some(intended));
        let oracle: BTreeSet<String> =
            INTENDED.iter().filter(|intended| is_meant(intended)).map(|name| (*name).to_owned()).collect();
        assert_eq!(read, oracle, "{token}");
    }
}

// What of it is signed is for the log: docs/evidence.md.
#[test]
fn t20_any_record_of_a_decision_tells_who_for_whom_what_for_and_under_which_rule() {
    let Some(host) = Host::new() else { return };
    let data = Data::new();

    let ended = host.with(data.run(), "root").finish();

    let script = ended.records()[0]["script_sha256"].clone();
    let expected = json!({
        "sub": "alice@corp.example",
        "act": ["spiffe://corp.example/agent/billing", "spiffe://corp.example/agent/planner"],
        "model": "vendor/m-5",
        "purpose": "claims",
        "ticket": "INC-4711",
        "jti": "root",
        "assurance": 2,
        "script_sha256": script,
    });
    let records = ended.records();
    let decided: Vec<&Value> = records.iter().filter(|record| record["event"] == "decision").collect();
    assert!(decided.len() > 2);
    for record in [records[0].clone()].iter().chain(decided.iter().copied()) {
        assert_eq!(record["delegation"], expected, "{record}");
        assert_eq!(record["principal"], "alice@corp.example");
    }
    let read =
        decided.iter().rev().find(|record| record["action"] == "file_system::Action::\"read\"").unwrap();
    assert_eq!(read["policies"], json!(["claims"]));
    assert_eq!((&read["outcome"], &read["bytes"]), (&json!("done"), &json!(6)));
    // All that a policy could have read, and what the token was believed for.
    let terms = &records[0]["delegation_terms"];
    assert_eq!((&terms["groups"], &terms["tags"]), (&json!(["billing"]), &json!({"dept": "billing"})));
    assert_eq!((&terms["iss"], &terms["caller_uid"]), (&json!("https://idp.example"), &json!(0)));
    assert_eq!(ended.document()["jail"]["delegation"], expected);
}

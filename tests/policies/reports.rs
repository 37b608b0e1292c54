//! What `policy check` tells other programs in SARIF and JUnit's XML.

use rex_tests::scratch::Scratch;

use crate::command::{DOUBTFUL, READ_LOGS, WRONG, json, policy};

// SARIF 2.1.0, 3.30: columns count from 1, and endColumn is the one behind; 3.11.5: a brace in a text is written twice.
#[test]
fn findings_are_told_in_sarif_and_junit_as_in_json() {
    let scratch = Scratch::new();
    scratch.file("a b.cedar", WRONG);
    scratch.file("fine.cedar", READ_LOGS);
    scratch.file("doubtful.cedar", DOUBTFUL);

    let wrong = policy(scratch.path(), &["check", "--format", "sarif", "a b.cedar"]);
    let told = policy(scratch.path(), &["check", "--format", "json", "a b.cedar"]);
    let fine = policy(scratch.path(), &["check", "--format", "sarif", "fine.cedar"]);
    let missing = policy(scratch.path(), &["check", "--format", "sarif", "/gone.cedar"]);
    let junit = |words: &[&str]| policy(scratch.path(), &[&["check", "--format", "junit"], words].concat());

    let log = json(&wrong);
    let run = &log["runs"][0];
    assert_eq!((wrong.code, log["version"].as_str()), (65, Some("2.1.0")));
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(
        run["results"][1],
        serde_json::json!({
            "ruleId": "policy/finding", "kind": "fail", "level": "error",
            "message": { "text": "no path is ever named `/etc/` (help: write `/etc`)" },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": "a%20b.cedar" },
                "region": { "startLine": 5, "startColumn": 17, "endColumn": 42 },
            } }],
        })
    );
    assert_eq!(run["results"].as_array().map(Vec::len), json(&told).as_array().map(Vec::len));
    assert_eq!((fine.code, &json(&fine)["runs"][0]["results"]), (0, &serde_json::json!([])));
    let place = &json(&missing)["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!((missing.code, &place["artifactLocation"]["uri"]), (66, &"file:///gone.cedar".into()));
    assert!(
        junit(&["a b.cedar"])
            .stdout
            .contains("<testcase classname=\"a b.cedar\" name=\"a b.cedar:5\"><failure ")
    );
    assert!(junit(&["fine.cedar"]).stdout.contains("<testsuites tests=\"1\" failures=\"0\""));
    let (lax, strict) = (junit(&["doubtful.cedar"]), junit(&["doubtful.cedar", "--deny-warnings"]));
    assert!(lax.code == 0 && !lax.stdout.contains("<failure"), "{}", lax.stdout);
    assert!(strict.code == 65 && strict.stdout.contains("<failure type=\"warning\""), "{}", strict.stdout);
}

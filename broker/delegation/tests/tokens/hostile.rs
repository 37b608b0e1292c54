//! Tokens that are malformed, stolen, forged, or for somebody else: each is refused, and for its own reason.

use rex_delegation::{MAX_TOKEN_BYTES, Refused};

use super::{HEADER, Issuer, believed, encode};

/// What a good token says; each change below is made to it.
const GOOD: &str = r#"{"iss":"https://idp.example","aud":"rex-broker:host-17","sub":"alice@corp.example","act":{"sub":"spiffe://corp.example/agent/billing","model":"vendor/m-5","act":{"sub":"spiffe://corp.example/agent/planner"}},"purpose":"claims","ticket":"INC-4711","groups":["billing","all"],"tags":{"dept":"billing"},"cnf":{"uid":1000},"iat":1795999000,"exp":1796000900,"jti":"01JD"}"#;

/// A part of the claims, what stands in its place, and what the refusal has to say.
const CLAIMS: &[(&str, &str, &str)] = &[
    // Somebody else's.
    (r#""iss":"https://idp.example""#, r#""iss":"https://evil.example""#, "issued by"),
    (r#""iss":"https://idp.example","#, "", "`iss` is missing"),
    (r#""aud":"rex-broker:host-17""#, r#""aud":"rex-broker:host-18""#, "not meant for this host"),
    (
        r#""aud":"rex-broker:host-17""#,
        r#""aud":["rex-broker:host-18","rex-broker:host-1"]"#,
        "not meant for this host",
    ),
    (r#""aud":"rex-broker:host-17""#, r#""aud":[]"#, "not meant for this host"),
    (r#""aud":"rex-broker:host-17""#, r#""aud":{"a":"rex-broker:host-17"}"#, "no text"),
    (r#""aud":"rex-broker:host-17","#, "", "`aud` is missing"),
    (r#""uid":1000"#, r#""uid":1001"#, "given to user 1001"),
    (r#""uid":1000"#, r#""uid":4294968296"#, "no user has"),
    (r#""uid":1000"#, r#""uid":-1"#, "nothing but `uid`"),
    (r#""uid":1000"#, r#""uid":"1000""#, "nothing but `uid`"),
    (r#""uid":1000"#, r#""uid":1000,"jkt":"x""#, "nothing but `uid`"),
    (r#"{"uid":1000}"#, r#"{"jwk":{}}"#, "nothing but `uid`"),
    // Clocks.
    (r#""exp":1796000900"#, r#""exp":1796000000"#, "ended 0 s ago"),
    (r#""exp":1796000900"#, r#""exp":1795999500"#, "ended 500 s ago"),
    (r#""exp":1796000900"#, r#""exp":1795999000"#, "not after `iat`"),
    (r#""exp":1796000900"#, r#""exp":1796000900.5"#, "whole number"),
    (r#""exp":1796000900"#, r#""exp":1e300"#, "whole number"),
    (r#""exp":1796000900"#, r#""exp":"1796000900""#, "whole number"),
    (r#""exp":1796000900"#, r#""exp":18446744073709551615"#, "whole number"),
    (r#","exp":1796000900"#, "", "`exp` is missing"),
    (r#""iat":1795999000"#, r#""iat":1796000061"#, "holds only in 61 s"),
    (r#""iat":1795999000,"#, "", "`iat` is missing"),
    (r#""iat":1795999000"#, r#""iat":1795999000,"nbf":1796000500"#, "holds only in 500 s"),
    (r#""iat":1795999000"#, r#""iat":-1"#, "whole number"),
    // Two readers, two meanings.
    (r#""sub":"alice@corp.example""#, r#""sub":"alice@corp.example","sub":"root""#, "twice"),
    (r#""sub":"alice@corp.example""#, r#""sub":"alice@corp.example","s\u0075b":"root""#, "twice"),
    (r#""model":"vendor/m-5""#, r#""model":"vendor/m-5","model":"other""#, "twice"),
    // Nobody, or something that is no name.
    (r#""sub":"alice@corp.example","#, "", "`sub` is missing"),
    (r#""sub":"alice@corp.example""#, r#""sub":"""#, "empty"),
    (r#""sub":"alice@corp.example""#, r#""sub":["alice@corp.example"]"#, "no text"),
    (r#""sub":"alice@corp.example""#, r#""sub":null"#, "no text"),
    (r#""sub":"alice@corp.example""#, r#""sub":"alice\u0000root""#, "control character"),
    (r#""sub":"alice@corp.example""#, r#""sub":"alice\n""#, "control character"),
    (r#""sub":"alice@corp.example""#, r#""sub":"\ud800""#, "cannot be read"),
    (r#""jti":"01JD""#, r#""jti":"""#, "empty"),
    (r#","jti":"01JD""#, "", "`jti` is missing"),
    (r#""purpose":"claims""#, r#""purpose":{"a":"claims"}"#, "no text"),
    (r#""groups":["billing","all"]"#, r#""groups":"billing""#, "no list"),
    (r#""groups":["billing","all"]"#, r#""groups":["billing",0]"#, "no text"),
    (r#""tags":{"dept":"billing"}"#, r#""tags":{"dept":1}"#, "no text"),
    (r#""tags":{"dept":"billing"}"#, r#""tags":{"":"billing"}"#, "empty"),
    (r#""act":{"sub":"spiffe://corp.example/agent/billing","#, r#""act":{"#, "no `sub`"),
    (r#"{"sub":"spiffe://corp.example/agent/planner"}"#, r#""planner""#, "no object"),
    // What this version does not know and would have to hold to.
    (r#""jti":"01JD""#, r#""jti":"01JD","parent":"01JC""#, "delegations of delegations"),
    (r#""jti":"01JD""#, r#""jti":"01JD","script":"sha512:00""#, "`script`"),
    (r#""jti":"01JD""#, r#""jti":"01JD","script":"sha256:ZZ""#, "`script`"),
];

/// Headers, and what the refusal has to say.
const HEADERS: &[(&str, &str)] = &[
    (r#"{"alg":"none","typ":"rex-delegation+jwt"}"#, "`alg`"),
    (r#"{"alg":"None","typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":"HS256","typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":"ES256","typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":"RS256","typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":"eddsa","typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":["EdDSA"],"typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"typ":"rex-delegation+jwt","kid":"k1"}"#, "`alg`"),
    (r#"{"alg":"EdDSA","alg":"none","typ":"rex-delegation+jwt"}"#, "twice"),
    (r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#, "`typ`"),
    (r#"{"alg":"EdDSA","kid":"k1"}"#, "`typ`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"k1","crit":["exp"]}"#, "`crit`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"k1","crit":[]}"#, "`crit`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","b64":false}"#, "`b64`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","jwk":{"kty":"OKP"}}"#, "`jwk`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","jku":"https://evil.example/keys"}"#, "`jku`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","x5u":"https://evil.example/c"}"#, "`x5u`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","zip":"DEF"}"#, "`zip`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":1}"#, "`kid`"),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"k2"}"#, "no key \"k2\""),
    (r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"../../etc/shadow"}"#, "no key"),
    (r#"[]"#, "no object"),
    ("", "header"),
];

#[test]
fn t1_the_good_token_says_what_it_says() {
    let issuer = Issuer::new(1);

    let delegation = believed(&issuer.token(HEADER, GOOD), &issuer.keys("k1")).unwrap();

    assert_eq!((delegation.subject.as_str(), delegation.id.as_str()), ("alice@corp.example", "01JD"));
    assert_eq!(delegation.actors.len(), 2);
    assert_eq!(delegation.actors[0].model.as_deref(), Some("vendor/m-5"));
    assert_eq!(delegation.actors[1].subject, "spiffe://corp.example/agent/planner");
    assert_eq!(delegation.groups, ["all", "billing"]);
    assert_eq!(delegation.tags, [("dept".to_owned(), "billing".to_owned())]);
    assert_eq!((delegation.uid, delegation.expires), (Some(1000), 1_796_000_900));
    // Without the id of a key each is tried; a line feed at the end is a file's.
    let unnamed = issuer.token(r#"{"alg":"EdDSA","typ":"rex-delegation+jwt"}"#, GOOD);
    assert_eq!(believed(&format!("{unnamed}\n"), &issuer.keys("k1")).unwrap(), delegation);
}

#[test]
fn t1_whatever_a_hostile_token_claims_it_is_refused() {
    let issuer = Issuer::new(1);
    let keys = issuer.keys("k1");

    for (part, instead, why) in CLAIMS {
        assert_eq!(GOOD.matches(part).count(), 1, "{part}");
        let payload = GOOD.replace(part, instead);
        let refused = believed(&issuer.token(HEADER, &payload), &keys).expect_err(instead).to_string();
        assert!(refused.contains(why), "{instead}: {refused}");
    }
    for payload in ["", "1", "[]", "null", "{", "{}{}", "\u{feff}{}", "{\"iss\":\"a\",}", &"[".repeat(9000)] {
        assert!(believed(&issuer.token(HEADER, payload), &keys).is_err(), "{payload:?}");
    }
}

#[test]
fn t1_whatever_a_hostile_header_says_it_is_refused() {
    let issuer = Issuer::new(1);
    let keys = issuer.keys("k1");

    for (header, why) in HEADERS {
        let refused = believed(&issuer.token(header, GOOD), &keys).expect_err(header).to_string();
        assert!(refused.contains(why), "{header}: {refused}");
    }
}

#[test]
fn t1_signatures_of_others_and_spellings_of_others_are_refused() {
    let (issuer, other) = (Issuer::new(1), Issuer::new(2));
    let keys = issuer.keys("k1");
    let good = issuer.token(HEADER, GOOD);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let elsewhere = encode(GOOD.replace("alice", "mallory").as_bytes());
    let of_other = other.token(HEADER, GOOD);
    let longer = format!("{signature}AA");
    let mut high = [0xff_u8; 64];
    high[63] = 0x0f;

    let refused = |token: &str| believed(token, &keys).expect_err(token);
    for unsigned in [
        of_other.as_str(),
        &format!("{header}.{elsewhere}.{signature}"),
        &format!("{signed}."),
        &format!("{signed}.{longer}"),
        &format!("{signed}.{}", encode(&[0; 64])),
        &format!("{signed}.{}", encode(&high)),
        // What was signed is the text, and not what it stands for.
        &format!("{}.{payload}.{signature}", encode(HEADER.replace(':', ": ").as_bytes())),
        &format!("{payload}.{header}.{signature}").replace(payload, header),
    ] {
        assert_eq!(refused(unsigned), Refused::Signature);
    }
    for malformed in [
        "",
        ".",
        "..",
        "...",
        signed,
        &format!("{good}."),
        &format!("{good}.{good}"),
        &format!(" {good}"),
        &format!("{good}\n\n"),
        &format!("{good}\r\n"),
        &format!("{good}="),
        &good.replace('.', " ."),
        &"a".repeat(MAX_TOKEN_BYTES + 1),
        &format!("{{\"payload\":\"{payload}\"}}"),
    ] {
        let is_form = matches!(refused(malformed), Refused::Form(_) | Refused::Header(_));
        assert!(is_form, "{malformed}: {}", refused(malformed));
    }
    // The key of another issuer, under the id of ours.
    assert_eq!(believed(&good, &other.keys("k1")), Err(Refused::Signature));
}

#[test]
fn t2_what_an_inner_actor_says_changes_nothing_but_the_depth() {
    let issuer = Issuer::new(1);
    let keys = issuer.keys("k1");
    let forged = GOOD.replace(
        r#"{"sub":"spiffe://corp.example/agent/planner"}"#,
        r#"{"sub":"root","model":"x","groups":["admin"]}"#,
    );

    let one = believed(&issuer.token(HEADER, GOOD), &keys).unwrap();
    let other = believed(&issuer.token(HEADER, &forged), &keys).unwrap();

    assert_eq!((one.subject, one.groups, &one.actors[0]), (other.subject, other.groups, &other.actors[0]));
    assert_eq!(one.actors.len(), other.actors.len());
    let deep = |depth: usize| {
        let chain =
            (0..depth).fold(String::from("null"), |inner, _| format!("{{\"sub\":\"a\",\"act\":{inner}}}"));
        GOOD.replace(r#"{"sub":"spiffe://corp.example/agent/planner"}"#, &chain.replace(",\"act\":null", ""))
    };
    assert_eq!(believed(&issuer.token(HEADER, &deep(7)), &keys).unwrap().actors.len(), 8);
    let refused = believed(&issuer.token(HEADER, &deep(8)), &keys).unwrap_err().to_string();
    assert!(refused.contains("more than 8 actors"), "{refused}");
}

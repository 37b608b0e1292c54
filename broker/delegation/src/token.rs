//! From a token to what it says, if somebody who may say so has said it to whoever brings it.

use crate::base64url;
use crate::claims::Delegation;
use crate::json::Json;
use crate::keys::Keys;
use crate::refused::Refused;

/// Who may have issued a token, for whom, and who brings it when.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The one issuer, as `iss` has it.
    pub issuer: &'a str,
    /// This host, as `aud` has it.
    pub audience: &'a str,
    /// The keys of the issuer.
    pub keys: &'a Keys,
    /// Seconds since 1970.
    pub now_seconds: u64,
    /// The user who brings it, as the kernel says.
    pub uid: u32,
}

/// What a token says, when it is believed. One line feed at its end is left out.
///
/// # Errors
/// Why it is not believed. Nothing that it says is looked at before a key of the issuer was found to have signed it.
pub fn verify(text: &str, expected: &Expected<'_>) -> Result<Delegation, Refused> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.len() > MAX_TOKEN_BYTES {
        return Err(Refused::Form("it is longer than 16 KiB"));
    }
    let parts: Vec<&str> = text.split('.').take(4).collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(Refused::Form("it does not have three parts with dots between them"));
    };
    let decoded = |part| {
        base64url::decode(part).ok_or(Refused::Form("a part of it is not in base64url without padding"))
    };
    let (head, body, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
    let key = key_of(&head)?;
    if let Some(id) = key.as_deref().filter(|id| !expected.keys.has(id)) {
        return Err(Refused::UnknownKey(id.to_owned()));
    }
    let signed = format!("{header}.{payload}");
    if !expected.keys.have_signed(key.as_deref(), signed.as_bytes(), &signature) {
        return Err(Refused::Signature);
    }
    let delegation = Delegation::read(&body)?;
    delegation.check(expected)?;
    Ok(delegation)
}

/// The id of the key that a header names, if it names one.
///
/// What else could stand in a header says where a key is to be found, that the signature is not of what is read, or that
/// something has to be understood: all of that is refused.
fn key_of(header: &[u8]) -> Result<Option<String>, Refused> {
    let wrong = |why: &str| Refused::Header(why.to_owned());
    let header = Json::read(header).map_err(Refused::Header)?;
    let members = header.members().ok_or_else(|| wrong("it is no object"))?;
    if let Some((name, _)) = members.iter().find(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        return Err(Refused::Header(format!("`{name}` does not belong there")));
    }
    if header.get("alg").and_then(Json::text) != Some(ALGORITHM) {
        return Err(wrong("`alg` is not \"EdDSA\""));
    }
    if header.get("typ").and_then(Json::text) != Some(TYPE) {
        return Err(wrong("`typ` is not \"rex-delegation+jwt\""));
    }
    match header.get("kid") {
        None => Ok(None),
        Some(id) => match id.text() {
            Some(id) => Ok(Some(id.to_owned())),
            None => Err(wrong("`kid` is no text")),
        },
    }
}

/// Longer ones are not looked at.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;

const ALGORITHM: &str = "EdDSA";
/// Of no other kind of token, so that none that was issued for something else is taken for one of ours (RFC 8725, 3.11).
const TYPE: &str = "rex-delegation+jwt";
const MEMBERS: [&str; 3] = ["alg", "typ", "kid"];

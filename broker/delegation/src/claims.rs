//! What a token says, and whether it says that to us.

use crate::digest::sha256;
use crate::json::Json;
use crate::refused::Refused;
use crate::token::Expected;

/// On whose behalf a script runs, as an issuer has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Who has said so: `iss`.
    pub issuer: String,
    /// For whom it is meant: `aud`.
    pub audiences: Vec<String>,
    /// The person: `sub`.
    pub subject: String,
    /// Who acts for that person, the one who brings the token first: `act`, and what is nested in it. Only the first is granted
    /// anything; the others count, and are recorded.
    pub actors: Vec<Actor>,
    /// What for: `purpose`.
    pub purpose: Option<String>,
    /// On which occasion: `ticket`.
    pub ticket: Option<String>,
    /// What the person belongs to: `groups`, in order, each once.
    pub groups: Vec<String>,
    /// What else is said of the person: `tags`, by name.
    pub tags: Vec<(String, String)>,
    /// The user of the host that may bring it: `cnf.uid`.
    pub uid: Option<u32>,
    /// The only script that it is for, 64 hexadecimal digits: `script`, without `sha256:`.
    pub script_sha256: Option<String>,
    /// Since when, in seconds since 1970: `iat`.
    pub issued: u64,
    /// From when, in seconds since 1970: `nbf`.
    pub not_before: Option<u64>,
    /// Until when, in seconds since 1970, itself not: `exp`.
    pub expires: u64,
    /// Its name: `jti`.
    pub id: String,
    /// SHA-256 of everything that it says, in hexadecimal digits.
    pub payload_sha256: String,
}

/// Somebody or something that acts for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Which agent: `sub`.
    pub subject: String,
    /// The model that it runs on, as the issuer was told.
    pub model: Option<String>,
    /// The instance of it: `inst`.
    pub instance: Option<String>,
}

impl Delegation {
    /// Reads the payload of a token. Nothing says that it is true: that is for [`crate::verify`].
    ///
    /// # Errors
    /// Which claim is missing, or is not what it has to be.
    pub fn read(payload: &[u8]) -> Result<Self, Refused> {
        let claims = Claims(&Json::read(payload).map_err(|why| Refused::Claim { name: "", why })?);
        if claims.0.members().is_none() {
            return Err(Refused::Claim { name: "", why: "they are no object".to_owned() });
        }
        // A restriction that is not understood would be one that does not hold.
        if claims.0.get("parent").is_some() {
            return Err(wrong(
                "parent",
                "is not known to this version: delegations of delegations are refused",
            ));
        }
        Ok(Self {
            issuer: claims.required("iss")?,
            audiences: claims.audiences()?,
            subject: claims.required("sub")?,
            actors: claims.actors()?,
            purpose: claims.name("purpose")?,
            ticket: claims.name("ticket")?,
            groups: claims.groups()?,
            tags: claims.tags()?,
            uid: claims.uid()?,
            script_sha256: claims.script()?,
            issued: claims.time("iat")?.ok_or_else(|| missing("iat"))?,
            not_before: claims.time("nbf")?,
            expires: claims.time("exp")?.ok_or_else(|| missing("exp"))?,
            id: claims.required("jti")?,
            payload_sha256: sha256(payload),
        })
    }

    /// Whether the token is for us, now, and from whom it was given to.
    pub(crate) fn check(&self, expected: &Expected<'_>) -> Result<(), Refused> {
        let now = expected.now_seconds;
        if self.issuer != expected.issuer {
            return Err(Refused::Issuer(self.issuer.clone()));
        }
        if !self.audiences.iter().any(|audience| audience == expected.audience) {
            return Err(Refused::Audience);
        }
        if self.expires <= self.issued {
            return Err(wrong("exp", "is not after `iat`"));
        }
        if now >= self.expires {
            return Err(Refused::Expired { ended: self.expires, now });
        }
        // Clocks differ a little; no difference makes a token last longer.
        let begins = self.issued.max(self.not_before.unwrap_or(0));
        if begins > now.saturating_add(CLOCKS_DIFFER_SECONDS) {
            return Err(Refused::Early { begins, now });
        }
        match self.uid {
            Some(its) if its != expected.uid => Err(Refused::User { its, callers: expected.uid }),
            _ => Ok(()),
        }
    }

    /// Whether it is for this script, whose SHA-256 is given in lower-case hexadecimal digits.
    ///
    /// # Errors
    /// `Script` when it is for another one.
    pub fn covers(&self, script_sha256: &str) -> Result<(), Refused> {
        match &self.script_sha256 {
            Some(its) if its != script_sha256 => Err(Refused::Script),
            _ => Ok(()),
        }
    }
}

/// The claims of a token, each looked at by its name.
struct Claims<'a>(&'a Json);

impl Claims<'_> {
    fn name(&self, name: &'static str) -> Result<Option<String>, Refused> {
        self.0.get(name).map(|value| name_of(value, name)).transpose()
    }

    fn required(&self, name: &'static str) -> Result<String, Refused> {
        self.name(name)?.ok_or_else(|| missing(name))
    }

    fn time(&self, name: &'static str) -> Result<Option<u64>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Whole(seconds)) if *seconds <= MAX_TIME_SECONDS => Ok(Some(*seconds)),
            Some(_) => Err(wrong(name, "is not a whole number of seconds since 1970")),
        }
    }

    fn audiences(&self) -> Result<Vec<String>, Refused> {
        match self.0.get("aud") {
            Some(Json::List(several)) if several.len() > MAX_NAMES => Err(too_many("aud")),
            Some(Json::List(several)) => several.iter().map(|one| name_of(one, "aud")).collect(),
            Some(one) => Ok(vec![name_of(one, "aud")?]),
            None => Err(missing("aud")),
        }
    }

    fn actors(&self) -> Result<Vec<Actor>, Refused> {
        let mut actors = Vec::new();
        let mut next = self.0.get("act");
        while let Some(act) = next {
            if act.members().is_none() {
                return Err(wrong("act", "is no object"));
            }
            if actors.len() == MAX_ACTORS {
                return Err(wrong("act", "names more than 8 actors"));
            }
            let text = |name| act.get(name).map(|value| name_of(value, "act")).transpose();
            let subject = text("sub")?.ok_or_else(|| wrong("act", "has no `sub`"))?;
            actors.push(Actor { subject, model: text("model")?, instance: text("inst")? });
            next = act.get("act");
        }
        Ok(actors)
    }

    fn groups(&self) -> Result<Vec<String>, Refused> {
        let Some(value) = self.0.get("groups") else { return Ok(Vec::new()) };
        let list = value.list().ok_or_else(|| wrong("groups", "is no list"))?;
        if list.len() > MAX_NAMES {
            return Err(too_many("groups"));
        }
        let mut groups = list.iter().map(|group| name_of(group, "groups")).collect::<Result<Vec<_>, _>>()?;
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    fn tags(&self) -> Result<Vec<(String, String)>, Refused> {
        let Some(value) = self.0.get("tags") else { return Ok(Vec::new()) };
        let members = value.members().ok_or_else(|| wrong("tags", "is no object"))?;
        if members.len() > MAX_NAMES {
            return Err(too_many("tags"));
        }
        let tag = |(name, value): &(String, Json)| Ok((checked(name, "tags")?, name_of(value, "tags")?));
        let mut tags = members.iter().map(tag).collect::<Result<Vec<_>, Refused>>()?;
        tags.sort_unstable();
        Ok(tags)
    }

    fn uid(&self) -> Result<Option<u32>, Refused> {
        let Some(value) = self.0.get("cnf") else { return Ok(None) };
        // Whatever else is to be confirmed would not be.
        match value.members() {
            Some([(name, Json::Whole(uid))]) if name == "uid" => {
                let uid = u32::try_from(*uid).ok().filter(|uid| *uid != u32::MAX);
                uid.map(Some).ok_or_else(|| wrong("cnf", "has a `uid` that no user has"))
            }
            _ => Err(wrong("cnf", "is not an object with nothing but `uid`, a number")),
        }
    }

    fn script(&self) -> Result<Option<String>, Refused> {
        let Some(value) = self.0.get("script") else { return Ok(None) };
        let digits = value.text().and_then(|text| text.strip_prefix("sha256:"));
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match digits.filter(|digits| digits.len() == 64 && digits.bytes().all(is_digit)) {
            Some(digits) => Ok(Some(digits.to_owned())),
            None => Err(wrong("script", "is not `sha256:` and 64 lower-case hexadecimal digits")),
        }
    }
}

/// A text that can stand for somebody or something.
fn name_of(value: &Json, claim: &'static str) -> Result<String, Refused> {
    checked(value.text().ok_or_else(|| wrong(claim, "holds what is no text"))?, claim)
}

fn checked(text: &str, claim: &'static str) -> Result<String, Refused> {
    match text.len() {
        0 => Err(wrong(claim, "holds an empty text")),
        1..=MAX_NAME_BYTES if !text.contains(char::is_control) => Ok(text.to_owned()),
        1..=MAX_NAME_BYTES => Err(wrong(claim, "holds a control character")),
        _ => Err(wrong(claim, "holds a text of more than 255 bytes")),
    }
}

fn wrong(name: &'static str, why: &str) -> Refused {
    Refused::Claim { name, why: why.to_owned() }
}

fn missing(name: &'static str) -> Refused {
    wrong(name, "is missing")
}

fn too_many(name: &'static str) -> Refused {
    wrong(name, "has more than 64 elements")
}

/// How far two clocks may differ for a token that has just been issued.
const CLOCKS_DIFFER_SECONDS: u64 = 60;
/// Of whatever has a name.
const MAX_NAME_BYTES: usize = 255;
const MAX_NAMES: usize = 64;
const MAX_ACTORS: usize = 8;
/// The last second of the year 9999.
const MAX_TIME_SECONDS: u64 = 253_402_300_799;

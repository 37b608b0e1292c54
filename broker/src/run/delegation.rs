//! On whose behalf a run is: the token that its caller brings, who is believed about it, and what follows for the run.

pub mod links;
mod narrowing;
mod revoked;
mod source;
mod state;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{geteuid, getuid};
use rex_delegation::{Delegation, Expected, Keys, MAX_TOKEN_BYTES, verify};
use serde_json::{Map, Value, json};

use crate::audit;
use crate::host::believed::Believed;
use crate::policy::{BY_ISSUER, Session};
use crate::result::NotStarted;
use crate::run::input::read_token;
use crate::run::request::RunRequest;

pub(crate) use narrowing::Narrowing;
pub use source::TokenSource;
use state::{State, Use};

/// Who is believed about the people that runs are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerSettings {
    /// The one issuer, as `iss` has it.
    pub issuer: Option<String>,
    /// This host, as `aud` has it.
    pub audience: Option<String>,
    /// The file with the issuer's public keys, which has to be root's.
    pub keys: Option<PathBuf>,
}

/// A delegation that is believed and in use.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    delegation: Delegation,
    /// Who has brought it.
    caller: u32,
    /// When it ends, counted on a clock that nobody sets.
    ends: Instant,
}

/// What lies where delegations are kept, for root alone: which were used, and which are revoked.
pub(crate) const PLACE: &str = "/var/lib/rex-broker/delegations";

/// Takes the token that the caller brings, if there is one, and notes that it is in use.
///
/// # Errors
/// Why it is not believed, or why nobody could be: the run is then refused.
pub(super) fn take(options: &RunRequest, deadline: Instant) -> Result<Option<Held>, NotStarted> {
    match &options.delegation {
        None => Ok(None),
        Some(source) => accept(source, options, deadline)
            .map(Some)
            .map_err(|reason| NotStarted::Refused(format!("the delegation is refused: {reason}"))),
    }
}

fn accept(source: &TokenSource, options: &RunRequest, deadline: Instant) -> Result<Held, String> {
    // Whoever is held to a delegation must not be able to have it forgotten.
    if !geteuid().is_root() {
        return Err("only a broker that runs as root can keep what outlives a run".to_owned());
    }
    let IssuerSettings { issuer, audience, keys } = &options.issuer;
    let (Some(issuer), Some(audience), Some(keys)) = (issuer, audience, keys) else {
        let settings = "`delegation-issuer`, `delegation-audience` and `delegation-keys`";
        return Err(format!("{settings} have to be set in /etc/rex-broker before one is believed"));
    };
    let keys = keys_of(keys).map_err(|reason| format!("{}: {reason}", keys.display()))?;
    let token = token_of(source, deadline).map_err(|reason| format!("{source}: {reason}"))?;
    let state = State::open(Path::new(PLACE)).map_err(|reason| format!("{PLACE}: {reason}"))?;
    let caller = getuid().as_raw();
    let now_seconds = now()?;
    let expected = Expected { issuer, audience, keys: &keys, now_seconds, uid: caller };
    let delegation = verify(&token, &expected).map_err(|refused| refused.to_string())?;
    state.revoked()?.check(&delegation)?;
    let latest = state.note(&Use::of(&delegation, caller), now_seconds)?;
    let left = Duration::from_secs(delegation.expires.saturating_sub(latest));
    Ok(Held { delegation, caller, ends: Instant::now() + left })
}

/// Seconds since 1970.
fn now() -> Result<u64, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map(|now| now.as_secs()).map_err(|_| "the clock of this host stands before 1970".to_owned())
}

fn keys_of(path: &Path) -> Result<Keys, String> {
    let believed = Believed::of(&[]);
    let opened = believed.open(path).map_err(|error| error.to_string())?;
    if !opened.metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    believed.judge(&opened.metadata).map_err(|error| error.to_string())?;
    let text = bounded(opened.file, MAX_KEYS_BYTES)?;
    Keys::parse(&text).map_err(|fault| fault.to_string())
}

fn token_of(source: &TokenSource, deadline: Instant) -> Result<String, String> {
    let text = match source {
        TokenSource::Path(path) => read_token(path, MAX_TOKEN_BYTES, deadline),
        TokenSource::Descriptor(number) if !audit::is_inherited(*number) => {
            return Err("it was not open when the program started".to_owned());
        }
        TokenSource::Descriptor(number) => rex_outside::kernel::duplicate_inherited(*number)
            .and_then(|copy| crate::run::input::read_inherited(File::from(copy), MAX_TOKEN_BYTES, deadline)),
    };
    text.map_err(|error| error.to_string())
}

/// The whole text of a file that root has written.
fn bounded(file: File, limit_bytes: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit_bytes {
        return Err(format!("is larger than {limit_bytes} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

impl Held {
    /// The run as it is asked for, and over when the delegation is.
    pub(super) fn bound(&self, options: &RunRequest) -> RunRequest {
        let left = self.ends.saturating_duration_since(Instant::now()).as_secs().max(1);
        let mut bound = options.clone();
        bound.limits.timeout_seconds = bound.limits.timeout_seconds.min(left);
        bound
    }

    /// Its name, `jti`.
    pub(super) fn id(&self) -> &str {
        &self.delegation.id
    }

    /// For whom the policy is asked.
    pub(super) fn principal(&self) -> &str {
        &self.delegation.subject
    }

    /// Refuses to run another script than the one that the delegation is for.
    pub(super) fn covers(&self, script_sha256: &str) -> Result<(), NotStarted> {
        let refused = |refused| NotStarted::Refused(format!("the delegation is refused: {refused}"));
        self.delegation.covers(script_sha256).map_err(refused)
    }

    /// What policies can know.
    pub(super) fn session(&self) -> Session {
        let Delegation { groups, tags, actors, purpose, ticket, .. } = &self.delegation;
        let agent = actors.first();
        Session {
            groups: groups.clone(),
            tags: tags.clone(),
            agent: agent.map(|agent| agent.subject.clone()),
            model: agent.and_then(|agent| agent.model.clone()),
            purpose: purpose.clone(),
            ticket: ticket.clone(),
            assurance: BY_ISSUER,
            depth: i64::try_from(actors.len()).unwrap_or(i64::MAX),
        }
    }

    /// What each decision tells of it.
    pub(super) fn told(&self, script_sha256: &str) -> Value {
        let Delegation { subject, actors, purpose, ticket, id, .. } = &self.delegation;
        let chain: Vec<&str> = actors.iter().map(|actor| actor.subject.as_str()).collect();
        let mut told = Map::new();
        let mut put = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
        put("sub", json!(subject));
        if let Some(agent) = actors.first() {
            put("act", json!(chain));
            agent.model.iter().for_each(|model| put("model", json!(model)));
        }
        purpose.iter().for_each(|purpose| put("purpose", json!(purpose)));
        ticket.iter().for_each(|ticket| put("ticket", json!(ticket)));
        put("jti", json!(id));
        put("assurance", json!(BY_ISSUER));
        put("script_sha256", json!(script_sha256));
        Value::Object(told)
    }

    /// What the first record tells besides: everything else that a policy can know of it, and what it was believed for.
    pub(super) fn terms(&self) -> Value {
        let Delegation { issuer, audiences, actors, groups, tags, uid, script_sha256, .. } = &self.delegation;
        let tags: Map<String, Value> =
            tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let instances: Vec<_> = actors.iter().map(|actor| json!([actor.model, actor.instance])).collect();
        json!({
            "iss": issuer,
            "aud": audiences,
            "models_and_instances": instances,
            "groups": groups,
            "tags": tags,
            "cnf_uid": uid,
            "caller_uid": self.caller,
            "for_script_sha256": script_sha256,
            "iat": self.delegation.issued,
            "exp": self.delegation.expires,
            "payload_sha256": self.delegation.payload_sha256,
        })
    }
}

/// What is closed to every script, whoever it is for.
pub(super) const CLOSED: &str = "built-in: the delegations of this host";

const MAX_KEYS_BYTES: u64 = 64 << 10;

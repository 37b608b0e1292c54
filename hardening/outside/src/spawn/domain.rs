//! The Landlock domain of the jail: every right the kernel can take, and no rule that gives one back.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use rex_agreed::Layer;

use super::calls;
use crate::measure::{Measure, State};
use crate::plan::Plan;

/// A rule set without rules, made before the fork because making it allocates.
pub(super) struct Domain {
    ruleset: Option<OwnedFd>,
    abi: u32,
    /// Whether signals and abstract sockets are kept in, or the errno that says why not.
    scopes: Result<(), i32>,
    refusal: Option<String>,
}

impl Domain {
    /// Asks for everything the crate knows; the kernel takes what it knows.
    pub(super) fn deny_all(plan: &Plan) -> Self {
        let abi = calls::landlock_abi().unwrap_or(0);
        let scopes = match plan.fault(Layer::LandlockScopes) {
            Some(errno) => Err(errno),
            None if !plan.wants(Layer::LandlockScopes) => Err(0),
            None if abi < FIRST_WITH_SCOPES => Err(libc::EOPNOTSUPP),
            None => Ok(()),
        };
        let created = create(scopes.is_ok());
        Self {
            abi,
            scopes,
            refusal: created.as_ref().err().map(ToString::to_string),
            ruleset: created.ok().flatten(),
        }
    }

    pub(super) fn as_raw_fd(&self) -> Option<RawFd> {
        self.ruleset.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Denials are logged also after exec, which this domain is for.
    pub(super) fn flags(&self) -> u32 {
        const LOG_NEW_EXEC_ON: u32 = 1 << 1;

        match self.abi {
            7.. => LOG_NEW_EXEC_ON,
            _ => 0,
        }
    }

    /// The two lines of the report, given how entering the domain ended.
    pub(super) fn measures(&self, entered: Option<i32>) -> [Measure; 2] {
        let abi = self.abi;
        if let (None, Some(refusal)) = (&self.ruleset, &self.refusal) {
            return [Layer::Landlock, Layer::LandlockScopes]
                .map(|layer| Measure::new(layer, State::Failed, refusal.clone()));
        }
        let evidence = format!("landlock_restrict_self succeeded, version {abi}, no rules");
        let files = match entered {
            Some(errno) => Measure::from_errno(Layer::Landlock, errno, &evidence),
            None => Measure::new(Layer::Landlock, State::Failed, "the child did not report it"),
        };
        let scopes = match (files.state, self.scopes) {
            (State::Enforced, Ok(())) => Measure::new(
                Layer::LandlockScopes,
                State::Enforced,
                format!("signals and abstract sockets scoped, version {abi}"),
            ),
            (State::Enforced, Err(0)) => Measure::unwanted(Layer::LandlockScopes),
            (State::Enforced, Err(errno)) => Measure::from_errno(Layer::LandlockScopes, errno, ""),
            (state, _) => Measure::new(Layer::LandlockScopes, state, files.evidence.clone()),
        };
        [files, scopes]
    }
}

fn create(with_scopes: bool) -> Result<Option<OwnedFd>, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?;
    if with_scopes {
        ruleset = ruleset.scope(Scope::from_all(NEWEST))?;
    }
    Ok(ruleset.create()?.into())
}

/// The newest version that the crate knows; rights that the kernel does not know are left out by the crate.
const NEWEST: ABI = ABI::V9;
const FIRST_WITH_SCOPES: u32 = 6;

//! What this host can protect against: a jail is started and looked at, and on request made to try what it must not.

mod levels;
mod prove;

use std::io::Write;

use rex_outside::{Measure, Plan, Posture, Requirement, SealedImage, SelfReport, State, verify};
use serde_json::json;

use levels::Level;
use prove::Proof;

use crate::front::cli::DoctorArguments;
use crate::host::network::unguarded;
use crate::result::Exit;
use crate::run::image;
use crate::run::session::Session;
use crate::run::starting::{self, Terms};
use crate::watch::together::Together;
use crate::watch::wait::Waiter;

/// Starts a jail like any other, shows its posture, and gives the exit status.
pub fn run(arguments: &DoctorArguments, requirement: &Requirement) -> u8 {
    let (posture, processor) = match examine(requirement) {
        Ok(found) => found,
        Err(reason) => {
            crate::complain!("error: jail could not be established: {reason}");
            return Exit::JailNotEstablished.code(false);
        }
    };
    let proofs = match arguments.prove.then(|| prove::all(requirement)).transpose() {
        Ok(proofs) => proofs.unwrap_or_default(),
        Err(reason) => {
            crate::complain!("error: cannot prove anything: {reason}");
            return Exit::JailNotEstablished.code(false);
        }
    };
    // A jail that is made with everything, so that each level is told what it would lack and not what nobody asked for.
    let levels = levels::all(examine(&Requirement::max()).map(|(posture, _)| posture));
    let missing: Vec<&str> = posture.missing(requirement).iter().map(|measure| measure.id).collect();
    let written = if arguments.json {
        write_json(&posture, processor, &missing, &proofs, &levels)
    } else {
        write_text(&posture, processor, &missing, &proofs, &levels)
    };
    if let Err(error) = written {
        crate::complain!("error: cannot write the report: {error}");
        return Exit::OutputNotWritten.code(false);
    }
    let holds = missing.is_empty() && proofs.iter().all(Proof::holds);
    if holds { Exit::Done.code(false) } else { Exit::JailNotEstablished.code(false) }
}

/// A jail of the plan that a run would have, locked down and verified, and then thrown away.
fn examine(requirement: &Requirement) -> Result<(Posture, &'static str), String> {
    let plan = Plan::for_requirement(requirement);
    let mut waiter = Waiter::new().map_err(|error| error.to_string())?;
    let image = SealedImage::new(image::JAIL.bytes).map_err(|error| error.to_string())?;
    waiter.set_deadline(Some(std::time::Instant::now() + std::time::Duration::from_secs(30)));
    let jail =
        starting::start(&image, &plan, &mut waiter, Terms::of_probe()).map_err(|end| end.to_string())?;
    let report = Session::new(&jail.socket).await_ready(&mut waiter).map_err(|end| end.to_string())?;
    let report = SelfReport::from_bytes(&report).ok_or("its report is damaged")?;
    let mut posture = verify(&jail, &report, &plan);
    posture.image_sha256 = image::JAIL.sha256.to_owned();
    Ok((posture, Together::told(jail.pid())))
}

fn write_json(
    posture: &Posture,
    processor: &str,
    missing: &[&str],
    proofs: &[Proof],
    levels: &[Level],
) -> std::io::Result<()> {
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "image_sha256": posture.image_sha256,
        "processor": processor,
        "authorities": unguarded::system_store(),
        "measures": posture.measures,
        "missing": missing,
        "proofs": proofs,
        "levels": levels,
    });
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    writeln!(stdout)
}

fn write_text(
    posture: &Posture,
    processor: &str,
    missing: &[&str],
    proofs: &[Proof],
    levels: &[Level],
) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for measure in &posture.measures {
        writeln!(stdout, "{:<12} {:<11} {}", measure.id, state(measure), measure.evidence)?;
        if measure.wanted && measure.state != State::Enforced && !measure.hint.is_empty() {
            writeln!(stdout, "{:<12} {:<11} what can be done: {}", "", "", measure.hint)?;
        }
    }
    writeln!(stdout, "image        {}", posture.image_sha256)?;
    writeln!(stdout, "processor    {processor}")?;
    let store = unguarded::system_store();
    let none = "this system has no store of authorities: https needs --ca-file".to_owned();
    writeln!(stdout, "authorities  {}", store.unwrap_or(none))?;
    for proof in proofs {
        let verdict = if proof.holds() { "fails" } else { "WORKS" };
        writeln!(
            stdout,
            "{:<34} {verdict}  {}; without seccomp: {}",
            proof.claim, proof.confined, proof.second
        )?;
    }
    match missing {
        [] => writeln!(stdout, "everything that is required is in force")?,
        missing => writeln!(stdout, "required and missing: {}", missing.join(", "))?,
    }
    writeln!(stdout, "\nwhat a run could require here:")?;
    levels::write(levels, &mut stdout)
}

fn state(measure: &Measure) -> &'static str {
    match measure.state {
        _ if !measure.wanted => "not wanted",
        State::Enforced => "enforced",
        State::Degraded => "degraded",
        State::Unsupported => "unsupported",
        State::Failed => "failed",
    }
}

//! What this host can protect against: a jail is started and looked at, and on request made to try what it must not.

mod levels;
mod policies;
mod prove;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rex_outside::{Measure, Plan, Posture, Requirement, SealedImage, SelfReport, State, verify};
use serde_json::json;

use levels::Level;
use policies::Policies;
use prove::Proof;

use crate::front::cli::DoctorArguments;
use crate::host::network::object::Staff;
use crate::host::network::unguarded;
use crate::result::Exit;
use crate::run::image;
use crate::run::session::Session;
use crate::run::starting::{self, Terms};
use crate::watch::together::Together;
use crate::watch::wait::Waiter;

/// Starts a jail like any other, shows its posture, and gives the exit status. `forbids` are the policies that the
/// configuration adds to every run.
pub fn run(arguments: &DoctorArguments, requirement: &Requirement, forbids: &[PathBuf]) -> u8 {
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
    let findings = Findings {
        policies: policies::examine(forbids),
        missing: missing(&posture, requirement),
        posture,
        processor,
        proofs,
        levels,
        // The last, because what it is started by has to be protected as the broker of a run is.
        worker: examine_worker(requirement),
    };
    let written = if arguments.json { write_json(&findings) } else { write_text(&findings) };
    if let Err(error) = written {
        crate::terminal::unwritten("the report", &error);
        return Exit::OutputNotWritten.code(false);
    }
    if findings.holds() { Exit::Done.code(false) } else { Exit::JailNotEstablished.code(false) }
}

/// What there is to report.
struct Findings {
    policies: Policies,
    posture: Posture,
    processor: &'static str,
    /// What is required and a jail lacks.
    missing: Vec<&'static str>,
    proofs: Vec<Proof>,
    levels: Vec<Level>,
    /// How a worker for the network is confined, and what of that is missing.
    worker: Result<(Posture, Vec<&'static str>), String>,
}

impl Findings {
    /// Whether a run that has this requirement would start, and could speak TLS.
    fn holds(&self) -> bool {
        let has_worker = self.worker.as_ref().is_ok_and(|(_, missing)| missing.is_empty());
        self.missing.is_empty() && has_worker && self.proofs.iter().all(Proof::holds)
    }
}

fn missing(posture: &Posture, requirement: &Requirement) -> Vec<&'static str> {
    posture.missing(requirement).iter().map(|measure| measure.id).collect()
}

/// A worker for the network, of the plan that a run would have, locked down and looked at, and then thrown away.
fn examine_worker(requirement: &Requirement) -> Result<(Posture, Vec<&'static str>), String> {
    rex_outside::kernel::broker_self_protection().map_err(|error| error.to_string())?;
    let staff = Staff::new(image::WORKER.bytes, &Plan::for_requirement(requirement), requirement);
    let mut posture = unguarded::posture_of_worker(staff, Instant::now() + PATIENCE)?;
    posture.image_sha256 = image::WORKER.sha256.to_owned();
    let missing = missing(&posture, requirement);
    Ok((posture, missing))
}

/// A jail of the plan that a run would have, locked down and verified, and then thrown away.
fn examine(requirement: &Requirement) -> Result<(Posture, &'static str), String> {
    let plan = Plan::for_requirement(requirement);
    let mut waiter = Waiter::new().map_err(|error| error.to_string())?;
    let image = SealedImage::new(image::JAIL.bytes).map_err(|error| error.to_string())?;
    waiter.set_deadline(Some(Instant::now() + PATIENCE));
    let jail =
        starting::start(&image, &plan, &mut waiter, Terms::of_probe()).map_err(|end| end.to_string())?;
    let report = Session::new(&jail.socket).await_ready(&mut waiter).map_err(|end| end.to_string())?;
    let report = SelfReport::from_bytes(&report).ok_or("its report is damaged")?;
    let mut posture = verify(&jail, &report, &plan);
    posture.image_sha256 = image::JAIL.sha256.to_owned();
    Ok((posture, Together::told(jail.pid())))
}

fn write_json(findings: &Findings) -> std::io::Result<()> {
    let Findings { policies, posture, processor, missing, proofs, levels, worker } = findings;
    let worker = match worker {
        Ok((posture, missing)) => json!({
            "image_sha256": posture.image_sha256,
            "measures": posture.measures,
            "missing": missing,
        }),
        Err(reason) => json!({ "error": reason }),
    };
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "image_sha256": posture.image_sha256,
        "processor": processor,
        "authorities": unguarded::system_store(),
        "policies": policies,
        "measures": posture.measures,
        "missing": missing,
        "proofs": proofs,
        "levels": levels,
        "worker": worker,
    });
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    writeln!(stdout)
}

fn write_text(findings: &Findings) -> std::io::Result<()> {
    let Findings { policies, posture, processor, missing, proofs, levels, worker } = findings;
    let mut stdout = std::io::stdout().lock();
    write_measures(&mut stdout, posture.measures.iter())?;
    writeln!(stdout, "image        {}", posture.image_sha256)?;
    writeln!(stdout, "processor    {processor}")?;
    let store = unguarded::system_store();
    let none = "this system has no store of authorities: https needs --ca-file".to_owned();
    writeln!(stdout, "authorities  {}", store.unwrap_or(none))?;
    policies.write(&mut stdout)?;
    for proof in proofs {
        let verdict = if proof.holds() { "fails" } else { "WORKS" };
        writeln!(
            stdout,
            "{:<34} {verdict}  {}; without seccomp: {}",
            proof.claim, proof.confined, proof.second
        )?;
    }
    match missing.as_slice() {
        [] => writeln!(stdout, "everything that is required is in force")?,
        missing => writeln!(stdout, "required and missing: {}", missing.join(", "))?,
    }
    writeln!(stdout, "\nwhat a run could require here:")?;
    levels::write(levels, &mut stdout)?;
    writeln!(stdout, "\na worker for TLS and answers of name servers:")?;
    write_worker(&mut stdout, worker.as_ref(), posture)
}

/// A worker has the plan of the jail; only what it has otherwise is told again.
fn write_worker(
    out: &mut impl Write,
    worker: Result<&(Posture, Vec<&'static str>), &String>,
    jail: &Posture,
) -> std::io::Result<()> {
    let (posture, missing) = match worker {
        Ok(worker) => worker,
        Err(reason) => return writeln!(out, "  cannot be started: {reason}"),
    };
    let other: Vec<&Measure> = posture
        .measures
        .iter()
        .filter(|measure| jail.measure(measure.layer()).is_none_or(|known| state(known) != state(measure)))
        .collect();
    match other.as_slice() {
        [] => writeln!(out, "  is confined as the jail is, measure by measure")?,
        other => {
            writeln!(out, "  is confined as the jail is, but for:")?;
            write_measures(out, other.iter().copied())?;
        }
    }
    if !missing.is_empty() {
        writeln!(out, "  required and missing: {}", missing.join(", "))?;
    }
    writeln!(out, "  image {}", posture.image_sha256)
}

fn write_measures<'m>(
    out: &mut impl Write,
    measures: impl Iterator<Item = &'m Measure>,
) -> std::io::Result<()> {
    for measure in measures {
        writeln!(out, "{:<12} {:<11} {}", measure.id, state(measure), measure.evidence)?;
        if measure.wanted && measure.state != State::Enforced && !measure.hint.is_empty() {
            writeln!(out, "{:<12} {:<11} what can be done: {}", "", "", measure.hint)?;
        }
    }
    Ok(())
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

/// How long a jail or a worker may take to get ready.
const PATIENCE: Duration = Duration::from_secs(30);

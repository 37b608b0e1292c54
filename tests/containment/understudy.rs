//! Stands in for a broker that is another user, or that is killed: starts a hostile jail and does what it is told.

use std::io::Read;
use std::process::ExitCode;

use rex_hardening::{Layer, Plan};
use rex_tests::jailed::{Jailed, full_plan};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["posture", without @ ..] => posture(&refused(without)),
        ["hold", state, without @ ..] => hold(state, &left_out(without)),
        _ => ExitCode::from(64),
    }
}

/// Prints one line for each measure.
fn posture(plan: &Plan) -> ExitCode {
    match Jailed::start(plan).posture() {
        Ok(posture) => {
            for measure in posture.measures {
                println!("{} {:?} {}", measure.id, measure.state, measure.evidence);
            }
            ExitCode::SUCCESS
        }
        Err(end) => {
            eprintln!("{end:?}");
            ExitCode::FAILURE
        }
    }
}

/// Brings a jail into a state, prints its process id, and waits to be killed.
fn hold(state: &str, plan: &Plan) -> ExitCode {
    let mut jailed = Jailed::start(plan);
    if state != "spawned" && jailed.await_ready().is_err() {
        return ExitCode::FAILURE;
    }
    match state {
        "spawned" | "verified" => {}
        "loaded" => jailed.begin_order(16),
        "waiting" => jailed.order("wait"),
        "running" => jailed.order("spin"),
        "finished" => {
            jailed.order("reach");
            drop(jailed.end());
        }
        _ => return ExitCode::from(64),
    }
    println!("{}", jailed.jail.pid());
    // Standard input ends when the test does, so that no understudy outlives it.
    let mut ignored = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut ignored);
    ExitCode::SUCCESS
}

/// The full plan on a system that refuses these steps.
fn refused(ids: &[&str]) -> Plan {
    ids.iter()
        .filter_map(|id| Layer::from_id(id))
        .fold(full_plan(), |plan, layer| plan.failing(layer, nix::libc::ENOSPC))
}

/// The full plan without these steps.
fn left_out(ids: &[&str]) -> Plan {
    ids.iter().filter_map(|id| Layer::from_id(id)).fold(full_plan(), Plan::without)
}

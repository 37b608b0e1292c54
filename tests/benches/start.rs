//! The start of a jail, with the program that scripts run in.

use criterion::{BatchSize, Criterion};
use rex_broker::gate::limits::Limits;
use rex_broker::run::image::JAIL;
use rex_broker::run::session::Session;
use rex_broker::run::starting::{self, Terms};
use rex_broker::watch::wait::Waiter;
use rex_outside::{Jail, Plan, Requirement, SealedImage};

pub(crate) fn benches(criterion: &mut Criterion) {
    let image = seal();
    let mut plan = Plan::for_requirement(&Requirement::core());
    plan.arena_bytes = Limits::default().memory_bytes();
    let mut waiter = Waiter::new().expect("signals can be taken over");
    let mut group = criterion.benchmark_group("start of a jail");
    group.bench_function("seal the program", |bencher| bencher.iter_with_large_drop(seal));
    group.bench_function("from spawn to ready", |bencher| {
        // What is left of the jail is ended outside the measurement.
        bencher.iter_batched(|| (), |()| ready(&image, &plan, &mut waiter), BatchSize::PerIteration);
    });
    group.finish();
}

fn seal() -> SealedImage {
    SealedImage::new(JAIL.bytes).expect("programs in memory are allowed here")
}

fn ready(image: &SealedImage, plan: &Plan, waiter: &mut Waiter) -> Jail {
    let jail = starting::start(image, plan, waiter, Terms::of_probe()).expect("a jail can be started");
    Session::new(&jail.socket).await_ready(waiter).expect("the jail locks itself down");
    jail
}

//! What each part of a run costs. The whole of it, process by process, is measured by `tests/compare/compare.py`.

mod frames;
mod policy;
mod serving;
mod start;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Few samples in little time: the results are ratios within one run, not absolute figures.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = parts;
    config = quick();
    // Serving comes last: it binds the process to one processor.
    targets = policy::benches, frames::benches, start::benches, serving::benches
}
criterion_main!(parts);

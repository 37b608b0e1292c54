//! A jail that says that a step was taken which was not: which one, and what it does in its place.

use rex_acts::lies;
use rex_agreed::{Layer, PreparePlan, SelfReport};
use rex_ipc::control::Hello;

/// A step that is claimed, and the way in which it is not in force.
#[derive(Clone, Copy)]
pub(crate) struct Lie {
    layer: Layer,
    way: u8,
}

impl Lie {
    /// What the limit on operations orders, of which this jail has no other use: a mark, the way, the number of the step.
    pub(crate) fn ordered(hello: &Hello) -> Option<Self> {
        let [number, way, mark @ ..] = hello.limits.operations.to_le_bytes();
        (mark == MARK).then_some(())?;
        Layer::from_number(number).map(|layer| Self { layer, way })
    }

    /// The plan without the step, where there is more to it than what is done before.
    pub(crate) fn leave_out(self, plan: PreparePlan) -> PreparePlan {
        if self.layer == Layer::Descriptors && self.way == KEPT_AND_CLOSED {
            return plan;
        }
        PreparePlan::new(|layer| layer != self.layer && plan.wants(layer), plan.forensics, None)
    }

    /// What has to be done while descriptors and programs can still be had.
    pub(crate) fn before(self) {
        let done = match self.layer {
            Layer::Descriptors if self.way != NOTHING_KEPT => lies::keep_descriptor(),
            Layer::Exec => lies::become_other_program(),
            _ => Ok(()),
        };
        expect_done(done);
    }

    /// What is taken back, or done besides, when the steps are over.
    pub(crate) fn after(self) {
        let done = match (self.layer, self.way) {
            (Layer::Dumpable, _) => lies::become_dumpable(),
            (Layer::Signals, 0) => lies::ignore_signal(),
            (Layer::Signals, 1) => lies::catch_signal(),
            (Layer::Signals, _) => lies::block_signal(),
            (Layer::Threads, _) => {
                let thread = std::thread::Builder::new().spawn(|| {
                    loop {
                        std::thread::park();
                    }
                });
                thread.map(drop).map_err(|_| 0)
            }
            _ => Ok(()),
        };
        expect_done(done);
    }

    /// The report with the claim in it.
    pub(crate) fn claim(self, report: &mut SelfReport) {
        report.steps.retain(|(number, _)| *number != self.layer.number());
        report.record(self.layer, Ok(()));
    }
}

/// A lie that could not be told must not look like one that was found out: the jail ends.
fn expect_done(done: Result<(), i32>) {
    if done.is_err() {
        panic!("the lie could not be told");
    }
}

/// Ways with descriptors: one more is open and the step is taken; none is, and the step is not.
const KEPT_AND_CLOSED: u8 = 1;
const NOTHING_KEPT: u8 = 2;
const MARK: [u8; 6] = *b"\0a lie";

//! Moments between a look and the act that follows it, in which a test can do what an attacker would try.

#[cfg(test)]
use std::cell::RefCell;

/// Between what is looked at and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The name that moves was looked at and is about to be renamed.
    BeforeRename,
    /// The file that is replaced was looked at and is about to be exchanged.
    BeforeExchange,
}

/// Nothing happens here but in tests.
pub(super) fn pass(moment: Moment) {
    #[cfg(test)]
    MEANWHILE.with(|meanwhile| {
        let act = meanwhile.borrow_mut().take_if(|(at, _)| *at == moment);
        if let Some((_, act)) = act {
            act();
        }
    });
    #[cfg(not(test))]
    let _ = moment;
}

/// Does something once, at the next such moment of this thread.
#[cfg(test)]
pub(super) fn at(moment: Moment, act: impl FnOnce() + 'static) {
    MEANWHILE.with(|meanwhile| *meanwhile.borrow_mut() = Some((moment, Box::new(act))));
}

#[cfg(test)]
type Act = Box<dyn FnOnce()>;

#[cfg(test)]
thread_local! {
    static MEANWHILE: RefCell<Option<(Moment, Act)>> = const { RefCell::new(None) };
}

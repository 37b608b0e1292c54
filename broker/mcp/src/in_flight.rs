//! Which requests are being served, which run each of them has started, and how they are ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::message::Id;

/// The requests that have no answer yet and started a process for it.
pub(crate) struct InFlight {
    requests: Mutex<HashMap<Id, Entry>>,
    /// How many calls have their process, or an answer that the client has left no room for.
    served: AtomicUsize,
    changed: Condvar,
    most: usize,
}

struct Entry {
    tool: &'static str,
    began: Instant,
    run: Option<String>,
    child: Option<Arc<Child>>,
    is_cancelled: bool,
}

/// What is told of a run that goes on.
#[derive(Debug, PartialEq)]
pub(crate) struct Going {
    /// The run, as the broker calls it; unknown until its jail has begun.
    pub(crate) run: Option<String>,
    /// The tool that has started it.
    pub(crate) tool: &'static str,
    /// How long ago.
    pub(crate) age: Duration,
}

/// Why a request cannot be served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// There is a request of this name that has no answer yet.
    InUse,
    /// So many are served already.
    Busy(usize),
}

impl InFlight {
    /// Serves so many requests at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { requests: Mutex::default(), served: AtomicUsize::new(0), changed: Condvar::new(), most }
    }

    /// Whether there is a request of this name that has no answer yet.
    pub(crate) fn has(&self, id: &Id) -> bool {
        self.requests().contains_key(id)
    }

    /// A request is going to be served. [`InFlight::finish`] has to follow, and [`InFlight::release`].
    pub(crate) fn begin(&self, id: &Id, tool: &'static str) -> Result<(), NotNow> {
        let mut requests = self.requests();
        if requests.contains_key(id) {
            return Err(NotNow::InUse);
        }
        // Only who holds the requests adds to it.
        if self.served.load(Ordering::Acquire) >= self.most {
            return Err(NotNow::Busy(self.most));
        }
        self.served.fetch_add(1, Ordering::AcqRel);
        let entry = Entry { tool, began: Instant::now(), run: None, child: None, is_cancelled: false };
        requests.insert(id.clone(), entry);
        Ok(())
    }

    /// The process of a request. If it was cancelled in the meantime, that is where it ends.
    pub(crate) fn attach(&self, id: &Id, child: &Arc<Child>) {
        let mut requests = self.requests();
        let Some(entry) = requests.get_mut(id) else { return };
        entry.child = Some(Arc::clone(child));
        if entry.is_cancelled {
            child.stop();
        }
    }

    /// What the broker calls the run of a request.
    pub(crate) fn name(&self, id: &Id, run: &str) {
        if let Some(entry) = self.requests().get_mut(id) {
            entry.run = Some(run.to_owned());
        }
    }

    /// The client does not want the answer any more. Of a request that has its answer, or never was, nothing comes.
    pub(crate) fn cancel(&self, id: &Id) {
        if let Some(entry) = self.requests().get_mut(id) {
            entry.cancel();
        }
    }

    /// Whether the client still wants to hear of this request.
    pub(crate) fn is_wanted(&self, id: &Id) -> bool {
        self.requests().get(id).is_some_and(|entry| !entry.is_cancelled)
    }

    /// A request is served, and its process gone. Says whether the client wants the answer.
    pub(crate) fn finish(&self, id: &Id) -> bool {
        let entry = self.requests().remove(id);
        self.changed.notify_all();
        entry.is_some_and(|entry| !entry.is_cancelled)
    }

    /// The answer to a request that is finished is on its way, or not wanted: another one can be served.
    pub(crate) fn release(&self) {
        self.served.fetch_sub(1, Ordering::AcqRel);
    }

    /// Ends a run by its own name. Its request is answered. Says whether there is one.
    pub(crate) fn stop_run(&self, run: &str) -> bool {
        let requests = self.requests();
        let Some(entry) = requests.values().find(|entry| entry.run.as_deref() == Some(run)) else {
            return false;
        };
        if let Some(child) = &entry.child {
            child.stop();
        }
        true
    }

    /// The runs that go on, the eldest first.
    pub(crate) fn list(&self) -> Vec<Going> {
        let requests = self.requests();
        let mut going: Vec<Going> = requests
            .values()
            .map(|entry| Going { run: entry.run.clone(), tool: entry.tool, age: entry.began.elapsed() })
            .collect();
        going.sort_by_key(|going| std::cmp::Reverse(going.age));
        going
    }

    /// Ends everything, and waits until every process is gone, but no longer than `most`. Says whether they are.
    pub(crate) fn end(&self, most: Duration) -> bool {
        let mut requests = self.requests();
        requests.values_mut().for_each(Entry::cancel);
        let is_there = |requests: &mut HashMap<Id, Entry>| !requests.is_empty();
        match self.changed.wait_timeout_while(requests, most, is_there) {
            Ok((requests, _)) => requests.is_empty(),
            Err(_) => false,
        }
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(child) = &self.child {
            child.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_used_by_one_request_at_a_time_and_there_are_only_so_many() {
        let requests = InFlight::new(2);
        let (first, second, third) = (Id::Number(1), Id::Text("1".into()), Id::Number(3));

        assert_eq!(requests.begin(&first, "a"), Ok(()));
        assert_eq!(requests.begin(&first, "a"), Err(NotNow::InUse));
        assert_eq!(requests.begin(&second, "a"), Ok(()));
        assert_eq!(requests.begin(&third, "a"), Err(NotNow::Busy(2)));
        // Its name is free with the end, and its place with the answer.
        assert!(requests.finish(&first));
        assert_eq!(requests.begin(&third, "a"), Err(NotNow::Busy(2)));
        requests.release();
        assert_eq!(requests.begin(&third, "a"), Ok(()));
    }

    #[test]
    fn what_was_cancelled_has_no_answer_and_keeps_its_name_until_it_is_over() {
        let requests = InFlight::new(2);
        let id = Id::Number(1);
        requests.begin(&id, "a").unwrap();

        requests.cancel(&Id::Number(2));
        assert!(requests.is_wanted(&id));
        requests.cancel(&id);

        assert!(!requests.is_wanted(&id));
        assert_eq!(requests.begin(&id, "a"), Err(NotNow::InUse));
        assert!(!requests.finish(&id));
        requests.release();
        assert_eq!(requests.begin(&id, "a"), Ok(()));
        // It is another request by now, of which nothing was said.
        assert!(requests.finish(&id));
        requests.cancel(&id);
    }

    #[test]
    fn a_run_is_stopped_by_its_own_name_only() {
        let requests = InFlight::new(2);
        requests.begin(&Id::Number(1), "run_script").unwrap();
        requests.name(&Id::Number(1), "abc");

        assert!(!requests.stop_run("ab"));
        assert!(requests.stop_run("abc"));
        let list = requests.list();
        assert_eq!((list.len(), list[0].run.as_deref(), list[0].tool), (1, Some("abc"), "run_script"));
    }
}

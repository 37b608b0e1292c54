//! Watches how much of the processors some processes use.

use std::collections::BTreeMap;

use rex_ipc::process_system::{ListProcesses, ProcessRecord, Processes};
use rhai::{Array, Dynamic, FLOAT, NativeCallContext};

use super::info::{Measures, ProcessInfo};
use super::listing;
use super::options::MonitorProcessesCpuOptions;
use crate::datetime::wait;
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::Session;

/// A process, or one of its tasks.
type Target = (u32, Option<u32>);

/// What was seen of each of them at some time.
type Look = BTreeMap<Target, (ProcessRecord, Measures)>;

/// Looks at processes several times; gives an array for each look after the first, with what each process has used of one
/// processor since the look before.
///
/// # Policy
/// `list` on each process and task at every look; what it denies, or is gone, is left out.
///
/// # Errors
/// `ProcessEnumerationError`, `AuthorizationError`; the limit on arrays.
pub fn monitor(context: &NativeCallContext, options: &MonitorProcessesCpuOptions) -> Fallible<Array> {
    let most = array_limit(&Session::of(context));
    let mut batches = Array::new();
    if options.batches == 0 {
        return Ok(batches);
    }
    let targets = targets(context, options, most)?;
    let mut before = look(context, &targets)?;
    wait(context, FIRST_WAIT_MS)?;
    let mut entries = 0_usize;
    for batch in 0..options.batches {
        if batch > 0 {
            wait(context, delay_ms(options))?;
        }
        let now = look(context, &targets)?;
        entries = entries.saturating_add(now.len()).saturating_add(1);
        if entries > most {
            return Err(too_large(TooLarge::Array));
        }
        batches.push(described(&targets, &before, &now).into());
        before = now;
    }
    Ok(batches)
}

fn delay_ms(options: &MonitorProcessesCpuOptions) -> u64 {
    match options.delay_in_seconds {
        0 => FIRST_WAIT_MS,
        seconds => seconds.saturating_mul(1000),
    }
}

/// The processes that were named, each with its tasks behind it if they are wanted.
fn targets(
    context: &NativeCallContext,
    options: &MonitorProcessesCpuOptions,
    most: usize,
) -> Fallible<Vec<Target>> {
    let mut targets = Vec::new();
    for &pid in options.pids_to_monitor.iter().flatten().filter(|pid| **pid > 0) {
        targets.push((pid, None));
        if options.include_threads {
            for task in tasks(context, pid)? {
                targets.push((pid, Some(task)));
            }
        }
        if targets.len() > most {
            return Err(too_large(TooLarge::Array));
        }
    }
    Ok(targets)
}

/// The tasks of a process but its first.
fn tasks(context: &NativeCallContext, pid: u32) -> Fallible<Vec<u32>> {
    let mut found = Vec::new();
    let mut behind = 0;
    loop {
        let which = Processes::TasksOf { pid, task: behind };
        let page = listing::ask(context, ListProcesses { which, tasks: true, namespaces: false })?;
        found.extend(page.processes.into_vec().into_iter().map(|record| record.pid));
        match page.next {
            // A place that is not behind the last one would be listed for ever.
            Some((_, next)) if next > behind => behind = next,
            _ => return Ok(found),
        }
    }
}

fn look(context: &NativeCallContext, targets: &[Target]) -> Fallible<Look> {
    let mut seen = Look::new();
    for &(pid, task) in targets {
        if seen.contains_key(&(pid, task)) {
            continue;
        }
        if let Some(found) = listing::one(context, pid, task)? {
            seen.insert((pid, task), found);
        }
    }
    Ok(seen)
}

fn described(targets: &[Target], before: &Look, now: &Look) -> Array {
    let mut processes = Array::new();
    for &(pid, task) in targets {
        let Some((record, measures)) = now.get(&(pid, task)) else { continue };
        let mut percent = recent_percent((pid, task), before, now);
        if task.is_none() {
            // proc_pid_stat(5): the time of a process is that of all its tasks together.
            let of_tasks = now.keys().filter(|(of, task)| *of == pid && task.is_some());
            let others: FLOAT = of_tasks.map(|task| recent_percent(*task, before, now)).sum();
            percent = (percent - others).max(0.0);
        }
        processes.push(Dynamic::from(ProcessInfo::new(record, measures, Some(percent))));
    }
    processes
}

/// Time on a processor between two looks as a part of the time between them, in percent; 0 for what was not there before.
fn recent_percent(target: Target, before: &Look, now: &Look) -> FLOAT {
    let (Some((old, then)), Some((new, measures))) = (before.get(&target), now.get(&target)) else {
        return 0.0;
    };
    let elapsed_ns = measures.uptime_ns.saturating_sub(then.uptime_ns);
    if old.started_ticks != new.started_ticks || elapsed_ns == 0 {
        return 0.0;
    }
    let used_ticks = new.cpu_ticks.saturating_sub(old.cpu_ticks);
    used_ticks as FLOAT * 1e11 / (measures.ticks_per_second.max(1) as FLOAT * elapsed_ns as FLOAT)
}

/// What Rex waits before the first look that counts.
const FIRST_WAIT_MS: u64 = 200;

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, process, task};

    fn bench() -> Bench {
        let bench = Bench::new()
            .process(process(1, "init"))
            .process(process(7, "server"))
            .process(task(8, 7))
            .process(task(9, 7))
            .process(process(12, "worker"));
        // The time of a process is that of all its tasks: 60 ticks in a second, of which 20 and 10 are those of two tasks.
        bench.world.borrow_mut().processes.busy.extend([(7, 60), (8, 20), (9, 10)]);
        bench
    }

    fn watched(options: &str) -> String {
        format!(
            "ProcessManager().monitor_processes_cpu(MonitorProcessesCpuOptions().{options}.build())
                .map(|batch| batch.map(|p| [p.pid, p.recent_cpu_usage]))"
        )
    }

    #[test]
    fn processes_are_told_with_what_they_used_since_the_look_before() {
        let bench = bench();

        assert_eq!(
            bench.output(&watched("pids_to_monitor([12, 7]).batches(2)")),
            "[[[12, 0.0], [7, 60.0]], [[12, 0.0], [7, 60.0]]]"
        );
        assert_eq!(bench.world.borrow().slept_ms, 400);
    }

    // "one refresh, 200 ms sleep, then per batch refresh + collect, with the delay between batches (not after the last)".
    #[test]
    fn it_waits_between_two_looks_and_not_after_the_last() {
        for (options, slept_ms) in [
            ("pids_to_monitor([7])", 200),
            ("pids_to_monitor([7]).delay_in_seconds(3)", 200),
            ("pids_to_monitor([7]).delay_in_seconds(3).batches(3)", 6_200),
            ("pids_to_monitor([7]).delay_in_seconds(90).batches(2)", 90_200),
            ("pids_to_monitor([7]).batches(4)", 800),
            ("batches(2)", 400),
            ("pids_to_monitor([7]).batches(0)", 0),
        ] {
            let bench = bench();

            bench.output(&watched(options));

            assert_eq!(bench.world.borrow().slept_ms, slept_ms, "{options}");
        }
    }

    #[test]
    fn a_process_uses_what_its_other_tasks_do_not() {
        let bench = bench();
        let options = "pids_to_monitor([7, 12]).include_threads(true)";

        assert_eq!(bench.output(&watched(options)), "[[[7, 30.0], [8, 20.0], [9, 10.0], [12, 0.0]]]");
        for page in 1..4 {
            let paged = self::bench().pages_of(page);
            assert_eq!(
                paged.output(&watched(options)),
                "[[[7, 30.0], [8, 20.0], [9, 10.0], [12, 0.0]]]",
                "{page}"
            );
        }
        // Nobody is asked for who was not named.
        let which =
            bench.world.borrow().calls.iter().flat_map(|call| call.requests.clone()).collect::<Vec<_>>();
        assert!(!format!("{which:?}").contains("After"), "{which:?}");
        let denied = self::bench().denying("list", "8");
        assert_eq!(denied.output(&watched(options)), "[[[7, 50.0], [9, 10.0], [12, 0.0]]]");
    }

    #[test]
    fn the_others_never_make_it_less_than_nothing() {
        let bench = bench();
        bench.world.borrow_mut().processes.busy.extend([(7, 5), (8, 50)]);

        let output = bench.output(&watched("pids_to_monitor([7]).include_threads(true)"));

        assert_eq!(output, "[[[7, 0.0], [8, 50.0], [9, 10.0]]]");
    }

    #[test]
    fn what_is_denied_gone_or_no_process_is_left_out() {
        let bench = bench().denying("list", "7");

        assert_eq!(
            bench.output(&watched(
                "pids_to_monitor([7, 99, 12, \"x\", -4, 4294967296, 0, 4294967295]).batches(2)"
            )),
            "[[[12, 0.0]], [[12, 0.0]]]"
        );
    }

    #[test]
    fn who_has_got_the_number_of_a_process_has_used_nothing_yet() {
        let bench = bench();
        bench.world.borrow_mut().processes.replaced.insert(7);

        assert_eq!(bench.output(&watched("pids_to_monitor([7]).batches(2)")), "[[[7, 0.0]], [[7, 60.0]]]");
    }

    // "when it was never set the build succeeds and every batch is `[]`"; "`batches` 0 -> `[]`".
    #[test]
    fn without_processes_every_batch_is_empty() {
        assert_eq!(bench().output(&watched("batches(3)")), "[[], [], []]");
        assert_eq!(bench().output(&watched("pids_to_monitor([1]).batches(0)")), "[]");
        assert_eq!(bench().output(&watched("pids_to_monitor([\"x\"])")), "[[]]");
    }

    #[test]
    fn a_process_that_is_named_twice_is_looked_at_once_and_told_twice() {
        let bench = bench();

        assert_eq!(bench.output(&watched("pids_to_monitor([7, 7])")), "[[[7, 60.0], [7, 60.0]]]");

        assert_eq!(bench.asked().iter().flatten().filter(|name| **name == "list_processes").count(), 2);
    }

    // In Rex the user is empty here, unless something else was called before.
    #[test]
    fn the_user_and_the_part_of_memory_are_told() {
        let script = "let p = ProcessManager().monitor_processes_cpu(MonitorProcessesCpuOptions().pids_to_monitor([7]).build())[0][0];
                      [p.username, p.memory_percent, type_of(p.recent_cpu_usage)]";

        assert_eq!(bench().output(script), r#"["root", 0.09, "f64"]"#);
        assert_eq!(bench().like_rex().output(script), r#"["root", 0.09, "f64"]"#);
    }

    #[test]
    fn more_than_an_array_may_have_ends_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 10;

        let ended = bench.run(&format!(
            "try {{ {} }} catch (e) {{ 1 }}",
            watched("pids_to_monitor([7]).batches(4294967295)")
        ));

        assert!(ended.text.contains("too large"), "{}", ended.text);
    }
}

//! What a test can order: an act, a frame, or a way to die.

use rex_acts::{Targets, instruction};

use crate::frames::Frames;

/// Carries out one order; the answer is the exit code.
pub(crate) fn carry_out(frames: &mut Frames, order: &str) -> i32 {
    let (verb, rest) = order.split_once(' ').unwrap_or((order, ""));
    let answer = match verb {
        "act" => act(rest),
        "inherited" => outcome(rex_acts::use_inherited(&Targets::default())),
        "frame" => return send_frames(frames, rest),
        "wait" => return wait(frames),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "panic" => panic!("ordered"),
        "exhaust" => exhaust(),
        "overflow" => instruction::overflow_stack(0).to_string(),
        "vdso" => format!("byte {}", instruction::read_vdso()),
        #[cfg(target_arch = "x86_64")]
        "rdtsc" => format!("time {}", instruction::read_time_stamp()),
        "data" => {
            instruction::run_data();
            "returned".to_owned()
        }
        "reach" => "reached".to_owned(),
        _ => "unknown order".to_owned(),
    };
    match frames.finish(&answer) {
        Some(()) => 0,
        None => 1,
    }
}

/// `NAME TARGETS`: attempts the act and says `done` or the errno.
fn act(order: &str) -> String {
    let parsed = order
        .split_once(' ')
        .and_then(|(name, targets)| Some((rex_acts::find(name)?, Targets::from_text(targets)?)));
    match parsed {
        Some((act, targets)) => outcome((act.attempt)(&targets)),
        None => "unknown act".to_owned(),
    }
}

fn outcome(outcome: Result<(), i32>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(errno) => format!("errno {errno}"),
    }
}

/// Datagrams in hexadecimal, sent one after the other without waiting; then waits for what the broker does.
fn send_frames(frames: &mut Frames, datagrams: &str) -> i32 {
    for datagram in datagrams.split(' ') {
        if !frames.send_raw(&bytes(datagram)) {
            return 1;
        }
    }
    wait(frames)
}

fn wait(frames: &mut Frames) -> i32 {
    while frames.receive().is_some() {}
    0
}

/// Takes memory until there is none.
fn exhaust() -> String {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 16]));
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hexadecimal
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

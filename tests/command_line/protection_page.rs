//! Does `docs/protection.md` say what the code does? `REX_GOLDEN=write` writes it anew.

use rex_outside::{Layer, Requirement, State};

use crate::golden;

#[test]
fn the_page_is_that_of_the_code() {
    golden::check("docs/protection.md", &page());
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for layer in Layer::all() {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            layer.id(),
            layer.purpose(),
            demand(&Requirement::core(), layer),
            demand(&Requirement::strict(), layer),
            demand(&Requirement::max(), layer),
            layer.kernel_min(),
            layer.hint(),
        ));
    }
    page.push_str(TAIL);
    page
}

/// What a level demands of a measure.
fn demand(level: &Requirement, layer: Layer) -> &'static str {
    match (level.contains(layer), level.is_met(layer, State::Degraded)) {
        (false, _) => "",
        (true, true) => "as far as possible",
        (true, false) => "**yes**",
    }
}

const HEAD: &str = "\
# Protection levels

A jail is made with every measure below that the kernel and the caller's rights allow, whatever is required. `--require` says which of them have to be in force before a byte
of the script is sent; otherwise the start ends with status 71 and names what is missing. This page is written from the code by a test; see
`tests/command_line/protection_page.rs`.

| level | what it is for |
|---|---|
| `core` | what holds on every supported system, for ordinary users too; the default |
| `strict` | `core` without concessions, and what a recent kernel adds with namespaces and control groups; nothing of it rests on the jail's word |
| `max` | `strict`, and that no other process runs on the same core at the same time |

`--require strict,-cgroup` takes one out of a level, `--require +mdwe` adds one to `core`. `rex-broker doctor` shows what a jail on this host has and ends with what each level
lacks; `rex-broker doctor --prove` has a jail try what it must not be able to do.

## What each level demands

*As far as possible*: the state `degraded` is enough, which is what an ordinary user without user namespaces can have of it. **Yes**: it has to be `enforced`.

| measure | what it is | `core` | `strict` | `max` | kernel | where it is missing |
|---|---|---|---|---|---|---|
";

const TAIL: &str = "
## What `doctor` says of a measure

| state | meaning |
|---|---|
| `enforced` | it is in force, and the words behind it say how that is known |
| `degraded` | a part of it is in force, or all of it as far as the jail says |
| `unsupported` | this kernel does not have it |
| `failed` | it was tried and refused |
| `not wanted` | the plan of this jail does not have it, because nothing requires it: the network namespace and the control group cost time at each start, so a level or a name has to ask for them |

`self-reported` is the evidence of what only the jail has seen: it set the measure and read it back, before a byte of the script came. A jail that is taken over later cannot undo
it, but nothing outside confirms it. `strict` rests on no such word. `core` takes it as `degraded` where the broker may not look, as under an ordinary user; `max` takes it for
`core_sched`, of which nothing stands in `/proc`. `the jail has looked, too` is more: the broker, or its child before the jail's program ran, has set it, and the jail has found it.
[threat-model.md](threat-model.md) says of each step of `strict` how it is known.
";

//! Loading policies, and asking them.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use rex_broker::policy::{Engine, Mode, Policies, PolicyText, Question, ResourceRef};
use rex_ipc::action::ActionId;

/// How many policies there are.
const COUNTS: [usize; 4] = [1, 5, 50, 500];

/// How a policy says which files it is about.
#[derive(Clone, Copy)]
enum Shape {
    /// In its head, so that an index can find it.
    Head,
    /// In its condition, so that each has to be evaluated.
    Condition,
}

impl Shape {
    const ALL: [Self; 2] = [Self::Head, Self::Condition];

    const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Condition => "condition",
        }
    }
}

pub(crate) fn benches(criterion: &mut Criterion) {
    loading(criterion);
    deciding(criterion, "policy decision, cached", true);
    deciding(criterion, "policy decision, not cached", false);
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy loading");
    for count in COUNTS {
        let text = policies(count, Shape::Condition);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &text, |bencher, text| {
            bencher.iter_batched(|| (), |()| load(text), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn deciding(criterion: &mut Criterion, name: &str, cached: bool) {
    let mut group = criterion.benchmark_group(name);
    for shape in Shape::ALL {
        for count in COUNTS {
            let mut engine = Engine::new(load(&policies(count, shape)), "tester").with_cache(cached);
            let question = Question::new(ActionId::FileSystemRead, ResourceRef::File("/srv/app0/log/today"));
            assert!(engine.decide(&question).permitted, "the first policy permits it");
            group.bench_function(BenchmarkId::new(shape.name(), count), |bencher| {
                bencher.iter(|| engine.decide(&question));
            });
        }
    }
    group.finish();
}

fn load(text: &str) -> Policies {
    let source = PolicyText { name: "bench", text };
    Policies::load(&[source], Mode::Standard).expect("the policies are right").policies
}

/// Policies for as many programs, each about the log of its own.
fn policies(count: usize, shape: Shape) -> String {
    let policy = |number: usize| match shape {
        Shape::Head => format!(
            "permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], \
             resource in file_system::Dir::\"/srv/app{number}/log\");\n"
        ),
        Shape::Condition => format!(
            "permit(principal, action == file_system::Action::\"read\", resource is file_system::File) \
             when {{ resource.path like \"/srv/app{number}/*\" && !(resource.path like \"*.key\") }};\n"
        ),
    };
    (0..count).map(policy).collect()
}

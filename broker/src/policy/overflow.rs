//! Whether arithmetic in a prohibition can overflow: then it cannot be evaluated, and denies.
//!
//! Each part of a condition is looked at with what is known where it is evaluated: to the right of `a < 100 &&`, `a` is
//! below 100. What is known is a range for each expression that was compared with a constant.

use cedar_policy_core::ast::{BinaryOp, Effect, Expr, ExprKind, Literal, UnaryOp};

use super::check::{Report, Span};
use super::finding::Severity;
use super::parse::Parsed;

/// Warns of each operation of a `forbid` whose result may not fit.
pub(super) fn check(parsed: &Parsed, report: &mut Report<'_>) {
    if parsed.policy.effect() != Effect::Forbid {
        return;
    }
    let Some(clauses) = parsed.policy.non_scope_constraints() else { return };
    if !clauses.subexpressions().any(calculates) {
        return;
    }
    let mut reader = Reader { known: Vec::new(), found: Vec::new() };
    reader.read(clauses);
    reader.found.sort_unstable();
    reader.found.dedup();
    for (place, operation) in reader.found {
        let message =
            format!("this {operation} can overflow; then the forbid cannot be evaluated and denies");
        let hint = "if that is not meant, compare the operands with constants first: `x < 1000000 && …`";
        report.add(parsed, Severity::Warning, place, message, Some(hint.to_owned()));
    }
}

fn calculates(part: &Expr) -> bool {
    matches!(
        part.expr_kind(),
        ExprKind::BinaryApp { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, .. }
            | ExprKind::UnaryApp { op: UnaryOp::Neg, .. }
            | ExprKind::ExtensionFunctionApp { .. }
    )
}

/// What an expression may be worth. Wider than an integer of Cedar, so that what does not fit can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    least: i128,
    most: i128,
}

impl Range {
    const ANY: Self = Self { least: i64::MIN as i128, most: i64::MAX as i128 };

    fn exactly(value: i64) -> Self {
        Self { least: value.into(), most: value.into() }
    }

    fn is_constant(self) -> bool {
        self.least == self.most
    }

    fn is_within(self, other: Self) -> bool {
        self.least >= other.least && self.most <= other.most
    }

    fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }

    fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// The corners of an operation that grows or falls in each operand lie at the ends of the operands.
    fn corners(self, other: Self, operation: impl Fn(i128, i128) -> i128) -> Self {
        let ends = [
            operation(self.least, other.least),
            operation(self.least, other.most),
            operation(self.most, other.least),
            operation(self.most, other.most),
        ];
        let [first, rest @ ..] = ends;
        rest.into_iter()
            .fold(Self { least: first, most: first }, |range, end| range.or(Self { least: end, most: end }))
    }
}

struct Reader<'a> {
    /// What is known of some expressions here; later entries add to earlier ones.
    known: Vec<(&'a Expr, Range)>,
    found: Vec<(Span, &'static str)>,
}

impl<'a> Reader<'a> {
    /// Looks at an expression and everything in it; gives its range if it is a number.
    fn read(&mut self, expr: &'a Expr) -> Range {
        let range = match expr.expr_kind() {
            ExprKind::Lit(Literal::Long(value)) => Range::exactly(*value),
            ExprKind::And { left, right } => {
                self.read(left);
                self.read_knowing(left, true, right);
                Range::ANY
            }
            ExprKind::Or { left, right } => {
                self.read(left);
                self.read_knowing(left, false, right);
                Range::ANY
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.read(test_expr);
                let then_range = self.read_knowing(test_expr, true, then_expr);
                then_range.or(self.read_knowing(test_expr, false, else_expr))
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                let (left, right) = (self.read(arg1), self.read(arg2));
                match op {
                    BinaryOp::Add => self.fitting(expr, (left, right), |a, b| a + b, "addition"),
                    BinaryOp::Sub => self.fitting(expr, (left, right), |a, b| a - b, "subtraction"),
                    BinaryOp::Mul => self.fitting(expr, (left, right), |a, b| a * b, "multiplication"),
                    _ => Range::ANY,
                }
            }
            ExprKind::UnaryApp { op, arg } => {
                let range = self.read(arg);
                match op {
                    UnaryOp::Neg => self.fitting(expr, (range, range), |a, _| -a, "negation"),
                    _ => Range::ANY,
                }
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let function = fn_name.to_string();
                let is_constant = |arg: &Expr| arg.subexpressions().all(is_constant_part);
                for arg in args.iter() {
                    self.read(arg);
                }
                if DATE_ARITHMETIC.contains(&function.as_str()) && !args.iter().all(is_constant) {
                    self.found.push((span(expr), "calculation with dates"));
                }
                Range::ANY
            }
            ExprKind::GetAttr { expr: inner, .. }
            | ExprKind::HasAttr { expr: inner, .. }
            | ExprKind::ExtHasAttr { expr: inner, .. }
            | ExprKind::Like { expr: inner, .. }
            | ExprKind::Is { expr: inner, .. } => {
                self.read(inner);
                Range::ANY
            }
            ExprKind::Set(items) => {
                for item in items.iter() {
                    self.read(item);
                }
                Range::ANY
            }
            ExprKind::Record(fields) => {
                for field in fields.values() {
                    self.read(field);
                }
                Range::ANY
            }
            ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => Range::ANY,
        };
        let own = self.known.iter().filter(|(known, _)| known.eq_shape(expr)).map(|(_, range)| *range);
        own.fold(range, Range::and)
    }

    /// Reads what is evaluated only where `test` is `outcome`.
    fn read_knowing(&mut self, test: &'a Expr, outcome: bool, expr: &'a Expr) -> Range {
        let before = self.known.len();
        let mut steps = MAX_STEPS;
        learn(test, outcome, &mut self.known, &mut steps);
        let range = self.read(expr);
        self.known.truncate(before);
        range
    }

    /// The range of an operation, which is remembered if its result may not fit.
    fn fitting(
        &mut self,
        expr: &'a Expr,
        (left, right): (Range, Range),
        operation: impl Fn(i128, i128) -> i128,
        name: &'static str,
    ) -> Range {
        let result = left.corners(right, operation);
        // Constants that overflow are refused elsewhere.
        let is_constant = left.is_constant() && right.is_constant();
        if !result.is_within(Range::ANY) && !is_constant {
            self.found.push((span(expr), name));
        }
        result.and(Range::ANY)
    }
}

/// What follows from `test` being `outcome`. What stands nearest is looked at first, and not everything: a chain of a
/// thousand comparisons must not cost a million steps.
fn learn<'a>(test: &'a Expr, outcome: bool, known: &mut Vec<(&'a Expr, Range)>, steps: &mut usize) {
    if known.len() >= MAX_KNOWN || *steps == 0 {
        return;
    }
    *steps -= 1;
    match test.expr_kind() {
        ExprKind::And { left, right } if outcome => {
            learn(right, true, known, steps);
            learn(left, true, known, steps);
        }
        ExprKind::Or { left, right } if !outcome => {
            learn(right, false, known, steps);
            learn(left, false, known, steps);
        }
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => learn(arg, !outcome, known, steps),
        ExprKind::BinaryApp { op, arg1, arg2 } => {
            let (least, most) = (Range::ANY.least, Range::ANY.most);
            // `left op constant`, then `constant op right`.
            if let Some(value) = constant(arg2) {
                let range = match (op, outcome) {
                    (BinaryOp::Less, true) => Range { least, most: value - 1 },
                    (BinaryOp::Less, false) => Range { least: value, most },
                    (BinaryOp::LessEq, true) => Range { least, most: value },
                    (BinaryOp::LessEq, false) => Range { least: value + 1, most },
                    (BinaryOp::Eq, true) => Range { least: value, most: value },
                    _ => return,
                };
                known.push((arg1, range));
            } else if let Some(value) = constant(arg1) {
                let range = match (op, outcome) {
                    (BinaryOp::Less, true) => Range { least: value + 1, most },
                    (BinaryOp::Less, false) => Range { least, most: value },
                    (BinaryOp::LessEq, true) => Range { least: value, most },
                    (BinaryOp::LessEq, false) => Range { least, most: value - 1 },
                    (BinaryOp::Eq, true) => Range { least: value, most: value },
                    _ => return,
                };
                known.push((arg2, range));
            }
        }
        _ => {}
    }
}

fn constant(expr: &Expr) -> Option<i128> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::Long(value)) => Some((*value).into()),
        ExprKind::UnaryApp { op: UnaryOp::Neg, arg } => constant(arg).map(|value| -value),
        _ => None,
    }
}

fn is_constant_part(part: &Expr) -> bool {
    !matches!(part.expr_kind(), ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_))
}

fn span(expr: &Expr) -> Span {
    expr.source_loc().map(|loc| (loc.start(), loc.end()))
}

/// The functions of dates and durations that fail when the result does not fit.
const DATE_ARITHMETIC: [&str; 3] = ["offset", "durationSince", "toDate"];
const MAX_KNOWN: usize = 64;
const MAX_STEPS: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::{Mode, Policies, PolicyText};

    /// The columns of the warnings about a clause.
    fn warnings(effect: &str, clause: &str) -> Vec<String> {
        let text = format!(
            "{effect}(principal, action == file_system::Action::\"execute\", resource) when {{ {clause} }};"
        );
        let loaded = Policies::load(&[PolicyText { name: "a", text: &text }], Mode::Standard).unwrap();
        loaded.warnings.into_iter().map(|warning| warning.message).collect()
    }

    #[test]
    fn arithmetic_that_can_overflow_is_told_of_in_a_forbid() {
        for clause in [
            "context.user.uid + 1 > 1000",
            "1000 - context.user.uid > 5",
            "context.user.uid * 2 == 4",
            "-context.user.uid == 4",
            "context.user.uid < 1000 || context.user.uid + 1 == 5",
            "context.user.uid < 1000 && context.group.gid + 1 == 5",
            "context.user.uid < 1000 && context.user.uid - 9223372036854775807 == 5",
            "if context.user.uid < 5 then true else context.user.uid + 1 == 7",
            "datetime(\"2024-01-01\").offset(duration(context.user.username)) == datetime(\"2024-01-02\")",
        ] {
            let found = warnings("forbid", clause);

            assert!(found.iter().any(|message| message.contains("can overflow")), "{clause}: {found:?}");
            let found = warnings("permit", clause);
            assert!(found.iter().all(|message| !message.contains("can overflow")), "{clause}: {found:?}");
        }
    }

    #[test]
    fn arithmetic_behind_a_comparison_that_bounds_it_is_not() {
        for clause in [
            "context.user.uid < 1000 && context.user.uid + 1 > 1",
            "context.user.uid <= 1000 && context.user.uid >= 0 && context.user.uid * 5 - 3 > 1",
            "0 <= context.user.uid && -context.user.uid < -5",
            "context.user.uid > 1000 || context.user.uid + 1 == 5",
            "!(context.user.uid > 1000) && context.user.uid + 1 == 5",
            "if context.user.uid < 5 then context.user.uid + 1 == 3 else false",
            "context.user.uid == 7 && context.user.uid * context.user.uid == 49",
            "1 + 2 == 3 && context.user.uid > 4",
        ] {
            assert_eq!(warnings("forbid", clause), Vec::<String>::new(), "{clause}");
        }
    }

    #[test]
    fn long_chains_cost_little() {
        let chain = "context.user.uid < 1000 && ".repeat(60) + "context.user.uid + 1 == 5";

        assert_eq!(warnings("forbid", &chain), Vec::<String>::new());
    }
}

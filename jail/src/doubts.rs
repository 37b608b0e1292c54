//! What does something else in a script than people from other languages expect; told by `run --dry-run`.
//!
//! Each doubt is described in the manual (`jail/manual/language.md`). Only what can be seen without running the script is
//! told, and only where it is certain: a value whose type is not known raises no doubt.

mod kinds;
mod operators;

use std::collections::BTreeMap;

use rex_ipc::control::{Doubt, MAX_REMARKS, Remark};
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, FnPtr, Position, Stmt, Token};

use crate::calls::Calls;
use crate::parsed::method_of_variable;
use crate::registry::Entry;
use crate::source::{Tokens, place};
use kinds::{Kind, Kinds};

/// The doubts about a script, in the order of its text, those about its calls among them. The first call that cannot succeed
/// is no doubt but an error.
pub fn find(engine: &Engine, entries: &[Entry], program: &AST, script: &str, calls: &Calls) -> Vec<Remark> {
    let mut kinds = Kinds::new(program, entries);
    let endings = endings(program, &mut kinds);
    let mut doubts = Doubts { program, kinds, endings, found: Vec::new() };
    program.clone_statements_only().walk(&mut |path: &[ASTNode<'_>]| {
        doubts.node(path);
        true
    });
    for (name, alone) in functions(program) {
        doubts.kinds.enter(Some(name));
        alone.walk(&mut |path: &[ASTNode<'_>]| {
            doubts.node(path);
            true
        });
    }
    doubts.kinds.enter(None);
    doubts.ends(engine, script);
    let texts = [script];
    doubts.found.extend(operators::unclear(Tokens::new(engine, &texts)).map(|at| (Doubt::Precedence, at)));
    doubts.found.extend(calls.missing.iter().skip(1).map(|(_, at)| (Doubt::NoFunction, *at)));
    doubts.found.extend(calls.doubtful.iter().map(|at| (Doubt::NoFunction, *at)));
    doubts.found.extend(calls.counted_wrongly.iter().map(|at| (Doubt::Arity, *at)));
    let placed =
        |(doubt, position): &(Doubt, Position)| Some(Remark { place: place(*position)?, doubt: *doubt });
    let mut remarks: Vec<Remark> = doubts.found.iter().filter_map(placed).collect();
    remarks.sort_by_key(|remark| (remark.place.line, remark.place.column));
    remarks.dedup();
    remarks.truncate(MAX_REMARKS);
    remarks
}

/// What a function ends with.
struct Ending {
    kind: Kind,
    is_constant: bool,
    changes_in_place: bool,
    try_value: Option<Position>,
}

impl Ending {
    fn of(statement: &Stmt, kinds: &Kinds<'_>) -> Self {
        let try_value = match statement {
            Stmt::TryCatch(flow, position) => {
                let value = flow.body.statements().last();
                value.filter(|value| kinds.of_statement(value).is_data()).map(|_| *position)
            }
            _ => None,
        };
        Self {
            kind: kinds.of_statement(statement),
            is_constant: matches!(statement, Stmt::Expr(expr) if expr.is_constant()),
            changes_in_place: kinds.statement_changes_in_place(statement),
            try_value,
        }
    }
}

/// Each function alone, closures among them: the engine shows the body of a function only while it is walked through.
fn functions(program: &AST) -> impl Iterator<Item = (&str, AST)> {
    program.iter_fn_def().map(|function| {
        let wanted = function.name.as_str();
        let mut alone = program.clone_functions_only();
        alone.retain_functions(|_, _, name, _| name == wanted);
        (wanted, alone)
    })
}

/// The endings of all functions.
fn endings(program: &AST, kinds: &mut Kinds<'_>) -> BTreeMap<String, Ending> {
    let mut endings = BTreeMap::new();
    for (wanted, alone) in functions(program) {
        kinds.enter(Some(wanted));
        let mut last = None;
        alone.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                last = Some(Ending::of(statement, kinds));
            }
            true
        });
        endings.extend(last.map(|ending| (wanted.to_owned(), ending)));
    }
    kinds.enter(None);
    endings
}

struct Doubts<'a> {
    program: &'a AST,
    kinds: Kinds<'a>,
    endings: BTreeMap<String, Ending>,
    found: Vec<(Doubt, Position)>,
}

impl Doubts<'_> {
    fn tell(&mut self, doubt: Doubt, position: Position) {
        self.found.push((doubt, position));
    }

    fn node(&mut self, path: &[ASTNode<'_>]) {
        let [before @ .., node] = path else { return };
        match node {
            ASTNode::Expr(expr) => self.expression(expr, before),
            ASTNode::Stmt(statement @ Stmt::FnCall(call, position)) => {
                if self.kinds.changes_in_place(call) && block_wants_a_value(before, statement) {
                    self.tell(Doubt::InPlace, *position);
                }
                self.call(call, *position);
            }
            ASTNode::Stmt(Stmt::Share(shared)) => {
                for (ident, _) in shared.iter() {
                    if is_kept(before) && is_variable_of_a_loop(&ident.name, before) {
                        self.tell(Doubt::LoopVariable, ident.pos);
                    }
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, expr: &Expr, before: &[ASTNode<'_>]) {
        match expr {
            Expr::FnCall(call, position) => {
                if self.kinds.changes_in_place(call) && wants_a_value(before) {
                    self.tell(Doubt::InPlace, *position);
                }
                self.call(call, *position);
            }
            Expr::MethodCall(call, position) => self.method(call, *position),
            Expr::Dot(..) | Expr::Index(..) => self.chain(expr, before),
            _ => {}
        }
    }

    /// A whole chain such as `a.b().c`; its parts come again as parts of nothing.
    fn chain(&mut self, chain: &Expr, before: &[ASTNode<'_>]) {
        if let Some((name, call, position)) = method_of_variable(chain)
            && call.args.iter().any(|argument| captures(argument).any(|captured| captured == name))
        {
            self.tell(Doubt::OwnValue, position);
        }
        if let Some(ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..))) = before.last()
            && std::ptr::eq(&parts.rhs, chain)
        {
            return;
        }
        let segments = segments(chain);
        for (index, segment) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            if let Expr::MethodCall(call, position) = segment
                && self.kinds.changes_in_place(call)
                && (!is_last || wants_a_value(before))
            {
                self.tell(Doubt::InPlace, *position);
            }
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) {
        let [left, right] = call.args.as_slice() else { return };
        if !call.is_operator_call() || !COMPARISONS.contains(&call.name.as_str()) {
            return;
        }
        let (left_kind, right_kind) = (self.kinds.of(left), self.kinds.of(right));
        if left_kind.is_never_equal_to(right_kind) {
            self.tell(Doubt::Types, position);
        }
        let is_zero = |expr: &Expr| matches!(expr, Expr::FloatConstant(number, _) if **number == 0.0);
        if matches!(call.name.as_str(), "==" | "!=")
            && [left_kind, right_kind].contains(&Kind::Float)
            && !is_zero(left)
            && !is_zero(right)
        {
            self.tell(Doubt::Tolerance, position);
        }
    }

    fn method(&mut self, call: &FnCallExpr, position: Position) {
        let [argument] = call.args.as_slice() else { return };
        let Some(ending) = closure_name(argument).and_then(|name| self.endings.get(&name)) else { return };
        let doubt = match call.name.as_str() {
            "filter" | "retain" | "drain" | "some" | "all" | "find" if ending.kind.is_no_boolean() => {
                Doubt::NoBoolean
            }
            "sort" | "sort_by" | "order" | "order_by" if ending.kind.is_no_order() || ending.is_constant => {
                Doubt::NoOrder
            }
            "map" if ending.changes_in_place => Doubt::InPlace,
            _ => return,
        };
        self.tell(doubt, position);
    }

    /// What functions and the script end with.
    fn ends(&mut self, engine: &Engine, script: &str) {
        let last = self.program.statements().last();
        let of_script = last.and_then(|statement| Ending::of(statement, &self.kinds).try_value);
        let of_functions = self.endings.values().filter_map(|ending| ending.try_value);
        let without_value: Vec<Position> = of_functions.chain(of_script).collect();
        self.found.extend(without_value.into_iter().map(|at| (Doubt::TryValue, at)));
        let texts = [script];
        let tokens = Tokens::new(engine, &texts).map(|(token, _)| token);
        if tokens.filter(|token| *token != Token::EOF).last() == Some(Token::SemiColon)
            && let Some(statement) = last
            && self.kinds.is_data_of_the_sdk(statement)
        {
            self.tell(Doubt::LastValue, statement.position());
        }
    }
}

/// Whether what holds this expression does something with its value.
fn wants_a_value(before: &[ASTNode<'_>]) -> bool {
    match before.last() {
        Some(ASTNode::Stmt(statement @ Stmt::Expr(_))) => {
            block_wants_a_value(before.get(..before.len().saturating_sub(1)).unwrap_or_default(), statement)
        }
        Some(ASTNode::Expr(holder)) => matches!(
            holder,
            Expr::FnCall(..)
                | Expr::MethodCall(..)
                | Expr::InterpolatedString(..)
                | Expr::Array(..)
                | Expr::Map(..)
                | Expr::And(..)
                | Expr::Or(..)
                | Expr::Coalesce(..)
                | Expr::Index(..)
        ),
        Some(ASTNode::Stmt(holder)) => matches!(
            holder,
            Stmt::Var(..)
                | Stmt::Assignment(..)
                | Stmt::Return(..)
                | Stmt::FnCall(..)
                | Stmt::If(..)
                | Stmt::While(..)
                | Stmt::For(..)
        ),
        _ => false,
    }
}

/// Whether this is the last statement of a block that stands where a value does, such as `${…}` in a text.
fn block_wants_a_value(before: &[ASTNode<'_>], statement: &Stmt) -> bool {
    match before {
        [before @ .., ASTNode::Expr(Expr::Stmt(block))] => {
            block.statements().last().is_some_and(|last| std::ptr::eq(last, statement))
                && wants_a_value(before)
        }
        _ => false,
    }
}

/// The parts of a chain from left to right.
fn segments(chain: &Expr) -> Vec<&Expr> {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => {
            let mut segments = vec![&parts.lhs];
            segments.extend(self::segments(&parts.rhs));
            segments
        }
        last => vec![last],
    }
}

/// The variables that a closure written here uses.
fn captures(argument: &Expr) -> impl Iterator<Item = &str> {
    let statements = match argument {
        Expr::Stmt(block) => block.statements(),
        _ => &[],
    };
    statements.iter().flat_map(|statement| match statement {
        Stmt::Share(shared) => shared.iter().map(|(ident, _)| ident.name.as_str()).collect(),
        _ => Vec::new(),
    })
}

/// The name of the function that a closure written here calls.
fn closure_name(argument: &Expr) -> Option<String> {
    let pointer = match argument {
        Expr::Stmt(block) => block.iter().find_map(|statement| match statement {
            Stmt::FnCall(call, _) => call.args.first(),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, _) => call.args.first(),
                _ => None,
            },
            _ => None,
        })?,
        other => other,
    };
    Some(pointer.get_literal_value(None)?.try_cast::<FnPtr>()?.fn_name().to_owned())
}

/// Whether a closure is put somewhere, and not only called at once by the function that it is given to.
fn is_kept(before: &[ASTNode<'_>]) -> bool {
    match before {
        [.., ASTNode::Expr(Expr::MethodCall(call, _)), ASTNode::Expr(Expr::Stmt(_))] => {
            matches!(call.name.as_str(), "push" | "insert" | "set" | "append" | "curry")
        }
        [.., ASTNode::Expr(Expr::Array(..) | Expr::Map(..)), ASTNode::Expr(Expr::Stmt(_))]
        | [.., ASTNode::Stmt(Stmt::Assignment(..)), ASTNode::Expr(Expr::Stmt(_))] => true,
        [.., ASTNode::Expr(Expr::FnCall(call, _)), ASTNode::Expr(Expr::Stmt(_))]
        | [.., ASTNode::Stmt(Stmt::FnCall(call, _)), ASTNode::Expr(Expr::Stmt(_))] => call.is_operator_call(),
        _ => false,
    }
}

fn is_variable_of_a_loop(name: &str, before: &[ASTNode<'_>]) -> bool {
    let mut found = None;
    for node in before.iter().rev() {
        if let ASTNode::Stmt(Stmt::For(parts, _)) = node
            && (parts.0.name == name || parts.1.as_ref().is_some_and(|counter| counter.name == name))
        {
            found = Some(&parts.2.body);
            break;
        }
    }
    // A variable of the same name in the loop is another one for each round.
    found.is_some_and(|body| {
        !body.iter().any(|statement| matches!(statement, Stmt::Var(var, ..) if var.0.name == name))
    })
}

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

#[cfg(test)]
#[path = "doubts/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "doubts/tests/variants.rs"]
mod variants;

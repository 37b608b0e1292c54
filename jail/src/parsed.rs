//! What can be seen in a parsed script before it runs, or after it failed without saying where.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::source::{Misread, place};

/// An assignment to a part of a constant whose value is known, as in `const c = #{a: 1}; c.a = 2;`.
///
/// The engine puts the value in the place of the name and then has nothing to assign to: it panics. Where the value is
/// not known it says so while the script runs.
pub fn assignment_into_constant(program: &AST, script: &str) -> Option<Misread> {
    let mut found = None;
    program.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
            && let Some(root) = constant_root(&assignment.1.lhs)
        {
            found = Some(root.position());
        }
        found.is_none()
    });
    let position = found?;
    let name = word_at(script, position);
    let place = place(position)?;
    Some(Misread { reason: format!("Cannot assign to a part of the constant {name}"), place })
}

fn constant_root(lhs: &Expr) -> Option<&Expr> {
    match lhs {
        Expr::Variable(..) | Expr::ThisPtr(..) => None,
        Expr::Index(parts, ..) | Expr::Dot(parts, ..) => match &parts.lhs {
            Expr::Variable(..) | Expr::ThisPtr(..) => None,
            root => Some(root),
        },
        other => Some(other),
    }
}

/// The word that begins here.
fn word_at(script: &str, position: Position) -> String {
    let line =
        position.line().and_then(|line| script.lines().nth(line.saturating_sub(1))).unwrap_or_default();
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let is_part = |character: &char| character.is_alphanumeric() || matches!(character, '_' | ':');
    line.chars().skip(column).take_while(is_part).take(MAX_WORD).collect()
}

/// Where a method of this name is called on a variable that a closure uses. While the method works on the variable the
/// closure cannot, and the engine says that without a place.
pub fn call_on_captured(program: &AST, method: &str) -> Option<Position> {
    let mut found = None;
    for captured in captured_names(program) {
        program.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(chain)) = path.last()
                && let Some((name, call, position)) = method_of_variable(chain)
                && *name == captured
                && call.name == method
                && found.is_none_or(|earlier| position < earlier)
            {
                found = Some(position);
            }
            true
        });
    }
    found
}

/// The names of the variables that closures use.
fn captured_names(program: &AST) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    program.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Share(shared))) = path.last() {
            names.extend(shared.iter().map(|(ident, _)| ident.name.to_string()));
        }
        true
    });
    names.sort();
    names.dedup();
    names
}

/// `variable.method(...)`, at the beginning of a chain.
pub fn method_of_variable(chain: &Expr) -> Option<(&str, &FnCallExpr, Position)> {
    let Expr::Dot(parts, ..) = chain else { return None };
    let Expr::Variable(variable, ..) = &parts.lhs else { return None };
    let call = match &parts.rhs {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        last => last,
    };
    match call {
        Expr::MethodCall(call, position) => Some((variable.1.as_str(), call, *position)),
        _ => None,
    }
}

/// The most characters of a name that are told.
const MAX_WORD: usize = 64;

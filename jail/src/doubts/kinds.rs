//! Which type the value of an expression has, as far as that can be seen.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use crate::registry::Entry;

/// A type, or what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Float,
    Text,
    Char,
    Bool,
    Array,
    Map,
    Unit,
    /// An object of the SDK, or a result that is anything but a boolean.
    NoBoolean,
    Unknown,
}

impl Kind {
    pub(super) fn is_no_boolean(self) -> bool {
        !matches!(self, Self::Bool | Self::Unknown)
    }

    /// Whether no order comes of it.
    pub(super) fn is_no_order(self) -> bool {
        matches!(self, Self::Float | Self::Text | Self::Char | Self::Array | Self::Map | Self::Unit)
    }

    pub(super) fn is_data(self) -> bool {
        !matches!(self, Self::Unit | Self::Unknown)
    }

    /// Whether two of these can be compared without an error, and never are equal.
    pub(super) fn is_never_equal_to(self, other: Self) -> bool {
        let is_plain = |kind: Self| matches!(kind, Self::Int | Self::Float | Self::Text | Self::Bool);
        let is_number = |kind: Self| matches!(kind, Self::Int | Self::Float);
        is_plain(self) && is_plain(other) && self != other && !(is_number(self) && is_number(other))
    }

    fn of_name(name: &str) -> Self {
        match name {
            "i64" => Self::Int,
            "f64" => Self::Float,
            "String" => Self::Text,
            "bool" => Self::Bool,
            "()" => Self::Unit,
            "Map" => Self::Map,
            array if array.starts_with("Array") => Self::Array,
            _ => Self::Unknown,
        }
    }
}

/// What is known of the functions and variables of a script.
pub(super) struct Kinds<'a> {
    sdk: BTreeMap<&'a str, Kind>,
    own: BTreeSet<&'a str>,
    variables: BTreeMap<String, Kind>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(program: &'a AST, entries: &'a [Entry]) -> Self {
        let mut sdk: BTreeMap<&str, Kind> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.signature.starts_with('(')) {
            let kind = Kind::of_name(entry.returns);
            sdk.entry(entry.name)
                .and_modify(|known| *known = if *known == kind { kind } else { Kind::Unknown })
                .or_insert(kind);
        }
        let own = program.iter_fn_def().map(|function| function.name.as_str()).collect();
        let mut kinds = Self { sdk, own, variables: BTreeMap::new() };
        kinds.learn(program);
        kinds
    }

    /// The types of variables to which values of one type only are given, whatever their scope.
    fn learn(&mut self, program: &AST) {
        let mut known: BTreeMap<String, Kind> = BTreeMap::new();
        let mut give = |name: &str, kind: Kind| {
            known
                .entry(name.to_owned())
                .and_modify(|known| *known = if *known == kind { kind } else { Kind::Unknown })
                .or_insert(kind);
        };
        for function in program.iter_fn_def() {
            function.params.iter().for_each(|parameter| give(parameter, Kind::Unknown));
        }
        program.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(var, ..))) => give(&var.0.name, self.of(&var.1)),
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                    if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                        give(&variable.1, self.of(&assignment.1.rhs));
                    }
                }
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                    give(&parts.0.name, Kind::Unknown);
                    parts.1.iter().for_each(|counter| give(&counter.name, Kind::Unknown));
                }
                Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) => {
                    if let Expr::Variable(variable, ..) = &flow.expr {
                        give(&variable.1, Kind::Unknown);
                    }
                }
                _ => {}
            }
            true
        });
        self.variables = known;
    }

    /// Whether this is a function of the language that changes its first value and gives none.
    pub(super) fn changes_in_place(&self, call: &FnCallExpr) -> bool {
        let name = call.name.as_str();
        IN_PLACE.contains(&name)
            && !call.is_qualified()
            && !self.own.contains(name)
            && !self.sdk.contains_key(name)
    }

    pub(super) fn statement_changes_in_place(&self, statement: &Stmt) -> bool {
        match statement {
            Stmt::FnCall(call, _) => self.changes_in_place(call),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, _) => self.changes_in_place(call),
                chain => {
                    matches!(super::segments(chain).last(), Some(Expr::MethodCall(call, _)) if self.changes_in_place(call))
                }
            },
            _ => false,
        }
    }

    /// The value of a statement that ends a block.
    pub(super) fn of_statement(&self, statement: &Stmt) -> Kind {
        match statement {
            Stmt::Expr(expr) => self.of(expr),
            Stmt::FnCall(call, _) => self.of_call(call),
            Stmt::Return(Some(expr), ..) => self.of(expr),
            Stmt::Block(block) => {
                block.statements().last().map_or(Kind::Unit, |last| self.of_statement(last))
            }
            Stmt::Noop(_) | Stmt::Var(..) | Stmt::Assignment(_) | Stmt::TryCatch(..) => Kind::Unit,
            _ => Kind::Unknown,
        }
    }

    /// Whether the statement calls a function of the SDK that gives data.
    pub(super) fn is_data_of_the_sdk(&self, statement: &Stmt) -> bool {
        let is_data = |call: &FnCallExpr| {
            let kind = self.sdk.get(call.name.as_str()).copied().unwrap_or(Kind::Unknown);
            !self.own.contains(call.name.as_str()) && matches!(kind, Kind::Text | Kind::Array | Kind::Map)
        };
        match statement {
            Stmt::FnCall(call, _) => is_data(call),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, _) => is_data(call),
                chain => {
                    matches!(super::segments(chain).last(), Some(Expr::MethodCall(call, _)) if is_data(call))
                }
            },
            _ => false,
        }
    }

    pub(super) fn of(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::IntegerConstant(..) => Kind::Int,
            Expr::FloatConstant(..) => Kind::Float,
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => Kind::Text,
            Expr::CharConstant(..) => Kind::Char,
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Kind::Bool,
            Expr::Unit(_) => Kind::Unit,
            Expr::Array(..) => Kind::Array,
            Expr::Map(..) => Kind::Map,
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                self.variables.get(variable.1.as_str()).copied().unwrap_or(Kind::Unknown)
            }
            Expr::FnCall(call, _) => self.of_call(call),
            Expr::Dot(..) => match super::segments(expr).last() {
                Some(Expr::MethodCall(call, _)) => self.of_call(call),
                _ => Kind::Unknown,
            },
            Expr::Stmt(block) => block.statements().last().map_or(Kind::Unit, |last| self.of_statement(last)),
            _ => Kind::Unknown,
        }
    }

    fn of_call(&self, call: &FnCallExpr) -> Kind {
        let name = call.name.as_str();
        if self.own.contains(name) {
            return Kind::Unknown;
        }
        if call.is_operator_call() {
            return self.of_operator(call);
        }
        if let Some(kind) = self.sdk.get(name) {
            return *kind;
        }
        match name {
            "len" | "to_int" | "parse_int" | "bytes" => Kind::Int,
            "to_float" | "parse_float" => Kind::Float,
            "to_string" | "sub_string" | "to_upper" | "to_lower" | "type_of" | "to_hex" => Kind::Text,
            "contains" | "starts_with" | "ends_with" | "is_empty" => Kind::Bool,
            "split" | "to_chars" | "keys" | "values" => Kind::Array,
            _ if self.changes_in_place(call) => Kind::Unit,
            _ => Kind::Unknown,
        }
    }

    fn of_operator(&self, call: &FnCallExpr) -> Kind {
        let kinds: Vec<Kind> = call.args.iter().map(|argument| self.of(argument)).collect();
        match (call.name.as_str(), kinds.as_slice()) {
            ("==" | "!=" | "<" | "<=" | ">" | ">=" | "!" | "in", _) => Kind::Bool,
            ("+", [Kind::Text, _] | [_, Kind::Text]) => Kind::Text,
            (
                "+" | "-" | "*" | "/" | "%" | "**",
                [Kind::Float, Kind::Int | Kind::Float] | [Kind::Int, Kind::Float],
            ) => Kind::Float,
            ("+" | "-" | "*" | "/" | "%" | "**" | "<<" | ">>" | "&" | "|" | "^", [Kind::Int, Kind::Int]) => {
                Kind::Int
            }
            ("-" | "*" | "/" | "%" | "**" | "<<" | ">>", _) => Kind::NoBoolean,
            _ => Kind::Unknown,
        }
    }
}

/// Functions of the language's library that give nothing, for every type that they exist for.
const IN_PLACE: [&str; 20] = [
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "fill_with",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "pad",
    "push",
    "replace",
    "reverse",
    "sort",
    "sort_by",
    "sort_desc",
    "trim",
    "truncate",
    "for_each",
];

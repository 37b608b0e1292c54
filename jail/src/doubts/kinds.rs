//! Which type the value of an expression has, as far as that can be seen.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, ScriptFnMetadata, Stmt, StmtBlock};

use crate::parsed::method_of_variable;
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
    /// An object of the SDK.
    Object,
    /// Anything but a boolean.
    NoBoolean,
    /// Neither a boolean nor an integer.
    NoOrder,
    Unknown,
}

impl Kind {
    pub(super) fn is_no_boolean(self) -> bool {
        !matches!(self, Self::Bool | Self::Unknown)
    }

    /// Whether no order comes of it.
    pub(super) fn is_no_order(self) -> bool {
        !matches!(self, Self::Int | Self::Bool | Self::NoBoolean | Self::Unknown)
    }

    pub(super) fn is_data(self) -> bool {
        !matches!(self, Self::Unit | Self::Unknown)
    }

    /// Whether two of these can be compared without an error, and never are equal.
    pub(super) fn is_never_equal_to(self, other: Self) -> bool {
        let is_one_type =
            |kind: Self| !matches!(kind, Self::Unit | Self::NoBoolean | Self::NoOrder | Self::Unknown);
        let is_number = |kind: Self| matches!(kind, Self::Int | Self::Float);
        let is_text = |kind: Self| matches!(kind, Self::Text | Self::Char);
        is_one_type(self)
            && is_one_type(other)
            && self != other
            && !(is_number(self) && is_number(other))
            && !(is_text(self) && is_text(other))
    }

    /// What two have in common that may both be it.
    fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
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
            object if OBJECTS.contains(&object) => Self::Object,
            _ => Self::Unknown,
        }
    }

    /// Of the elements of what is described so.
    fn of_elements(name: &str) -> Self {
        let inner = name.strip_prefix("Array<").and_then(|rest| rest.strip_suffix('>'));
        inner.map_or(Self::Unknown, Self::of_name)
    }
}

/// A type, and that of its elements if it has some.
type Known = (Kind, Kind);

const NOTHING_KNOWN: Known = (Kind::Unknown, Kind::Unknown);

/// What is known of the functions and variables of a script.
pub(super) struct Kinds<'a> {
    sdk: BTreeMap<&'a str, Known>,
    own: BTreeSet<&'a str>,
    variables: BTreeMap<String, Known>,
    /// The own parameters of closures, by the function that the engine has made of each.
    parameters: BTreeMap<String, BTreeMap<String, Known>>,
    /// Those of the function that is looked at.
    within: BTreeMap<String, Known>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(program: &'a AST, entries: &'a [Entry]) -> Self {
        let mut sdk: BTreeMap<&str, Known> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.signature.starts_with('(')) {
            let known = (Kind::of_name(entry.returns), Kind::of_elements(entry.returns));
            merge(&mut sdk, entry.name, known);
        }
        let own = program.iter_fn_def().map(|function| function.name.as_str()).collect();
        let mut kinds = Self {
            sdk,
            own,
            variables: BTreeMap::new(),
            parameters: BTreeMap::new(),
            within: BTreeMap::new(),
        };
        // What is known of one variable may tell something of the next.
        for _ in 0..ROUNDS {
            kinds.variables = kinds.learn(program);
        }
        kinds.parameters = kinds.given_to_closures(program);
        kinds
    }

    /// Says which function the expressions that follow stand in, if they stand in one.
    pub(super) fn enter(&mut self, function: Option<&str>) {
        self.within = function.and_then(|name| self.parameters.get(name)).cloned().unwrap_or_default();
    }

    /// The types of variables to which values of one type only are given, whatever their scope.
    fn learn(&self, program: &AST) -> BTreeMap<String, Known> {
        let captured = captured_by_closures(program);
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for function in program.iter_fn_def() {
            let captured = captured.get(function.name.as_str()).copied().unwrap_or(0);
            for parameter in function.params.iter().skip(captured) {
                merge(&mut known, parameter.to_string(), NOTHING_KNOWN);
            }
        }
        let mut changed: BTreeSet<String> = BTreeSet::new();
        let mut give = |name: &str, value: Known| merge(&mut known, name.to_owned(), value);
        program.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(var, ..))) => give(&var.0.name, self.known(&var.1)),
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                    let (kind, elements) = self.known(&assignment.1.rhs);
                    match &assignment.1.lhs {
                        Expr::Variable(variable, ..) if assignment.0.is_op_assignment() => {
                            give(&variable.1, (kind, Kind::Unknown));
                        }
                        Expr::Variable(variable, ..) => give(&variable.1, (kind, elements)),
                        part => changed.extend(variable_of(part)),
                    }
                }
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                    let elements = self.known(&parts.2.expr).1;
                    give(&parts.0.name, (elements, Kind::Unknown));
                    parts.1.iter().for_each(|counter| give(&counter.name, (Kind::Int, Kind::Unknown)));
                }
                Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) => {
                    if let Expr::Variable(variable, ..) = &flow.expr {
                        give(&variable.1, NOTHING_KNOWN);
                    }
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                    if let [first, ..] = call.args.as_slice()
                        && !call.is_operator_call()
                        && !LOOKS.contains(&call.name.as_str())
                    {
                        changed.extend(variable_of(first));
                    }
                }
                Some(ASTNode::Expr(chain)) => {
                    if let Some((name, call, _)) = method_of_variable(chain)
                        && !LOOKS.contains(&call.name.as_str())
                    {
                        changed.insert(name.to_owned());
                    }
                }
                _ => {}
            }
            true
        });
        for name in changed {
            known.entry(name).and_modify(|known| known.1 = Kind::Unknown);
        }
        known
    }

    /// What methods give to the closures that are written where they are called: elements of arrays, and what a walk finds.
    fn given_to_closures(&self, program: &AST) -> BTreeMap<String, BTreeMap<String, Known>> {
        let mut given: BTreeMap<String, [Kind; 2]> = BTreeMap::new();
        program.walk(&mut |path: &[ASTNode<'_>]| {
            let Some(ASTNode::Expr(chain)) = path.last() else { return true };
            let segments = super::segments(chain);
            for (index, segment) in segments.iter().enumerate() {
                let Expr::MethodCall(call, _) = segment else { continue };
                let before = segments.get(..index).unwrap_or_default();
                // The rest of a chain is walked through as a chain of its own, before which nothing is known.
                if let Some((closure, kinds)) = self.given_by(call, before) {
                    given.entry(closure).or_insert(kinds);
                }
            }
            true
        });
        let captured = captured_by_closures(program);
        let declared = declared(program);
        let of_function = |function: ScriptFnMetadata<'_>| {
            let kinds = given.get(function.name)?;
            let captured = captured.get(function.name).copied().unwrap_or(0);
            let own = function.params.iter().skip(captured).zip(kinds);
            // A variable of the same name may be another one.
            let own = own.filter(|(name, _)| !declared.contains(**name));
            let known = own.map(|(name, kind)| ((*name).to_owned(), (*kind, Kind::Unknown)));
            Some((function.name.to_owned(), known.collect()))
        };
        program.iter_functions().filter_map(of_function).collect()
    }

    /// The closure that a method is given, and the kinds of what the method calls it with.
    fn given_by(&self, call: &FnCallExpr, before: &[&Expr]) -> Option<(String, [Kind; 2])> {
        let closure = super::closure_name(call.args.last()?).filter(|name| name.starts_with("anon$"))?;
        let elements = self.known_chain(before).1;
        let kinds = match (call.name.as_str(), call.args.len()) {
            ("find", 2) => [Kind::Object, Kind::Unknown],
            (name, 1) if COMPARE.contains(&name) => [elements, elements],
            (name, 1) if GIVE_ELEMENTS.contains(&name) => [elements, Kind::Unknown],
            _ => return None,
        };
        Some((closure, kinds))
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
            Stmt::If(flow, _) => {
                let of_block = |block: &StmtBlock| {
                    block.statements().last().map_or(Kind::Unit, |last| self.of_statement(last))
                };
                of_block(&flow.body).or(of_block(&flow.branch))
            }
            Stmt::Noop(_) | Stmt::Var(..) | Stmt::Assignment(_) | Stmt::TryCatch(..) => Kind::Unit,
            _ => Kind::Unknown,
        }
    }

    /// Whether the statement calls a function of the SDK that gives data.
    pub(super) fn is_data_of_the_sdk(&self, statement: &Stmt) -> bool {
        let is_data = |call: &FnCallExpr| {
            let kind = self.sdk.get(call.name.as_str()).map_or(Kind::Unknown, |known| known.0);
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
        self.known(expr).0
    }

    fn known(&self, expr: &Expr) -> Known {
        let kind = match expr {
            Expr::IntegerConstant(..) => Kind::Int,
            Expr::FloatConstant(..) => Kind::Float,
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => Kind::Text,
            Expr::CharConstant(..) => Kind::Char,
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Kind::Bool,
            Expr::Unit(_) => Kind::Unit,
            Expr::Array(items, _) => {
                let elements = items.iter().map(|item| self.of(item)).reduce(Kind::or);
                return (Kind::Array, elements.unwrap_or(Kind::Unknown));
            }
            Expr::Map(..) => Kind::Map,
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                let name = variable.1.as_str();
                let known = self.within.get(name).or_else(|| self.variables.get(name));
                return known.copied().unwrap_or(NOTHING_KNOWN);
            }
            Expr::FnCall(call, _) => return self.known_call(call),
            Expr::Dot(..) => return self.known_chain(&super::segments(expr)),
            Expr::Stmt(block) => block.statements().last().map_or(Kind::Unit, |last| self.of_statement(last)),
            _ => Kind::Unknown,
        };
        (kind, Kind::Unknown)
    }

    /// What a chain gives, of which these are the parts.
    fn known_chain(&self, segments: &[&Expr]) -> Known {
        match segments {
            [only] => self.known(only),
            [before @ .., Expr::MethodCall(call, _)] if KEEP_ELEMENTS.contains(&call.name.as_str()) => {
                (Kind::Array, self.known_chain(before).1)
            }
            [.., Expr::MethodCall(call, _)] => self.known_call(call),
            _ => NOTHING_KNOWN,
        }
    }

    fn of_call(&self, call: &FnCallExpr) -> Kind {
        self.known_call(call).0
    }

    fn known_call(&self, call: &FnCallExpr) -> Known {
        let name = call.name.as_str();
        if self.own.contains(name) {
            return NOTHING_KNOWN;
        }
        if call.is_operator_call() {
            return match (name, call.args.as_slice()) {
                (".." | "..=", [from, _]) => (Kind::Unknown, self.of(from)),
                _ => (self.of_operator(call), Kind::Unknown),
            };
        }
        if let Some(known) = self.sdk.get(name) {
            return *known;
        }
        let kind = match name {
            "len" | "to_int" | "parse_int" | "bytes" => Kind::Int,
            "to_float" | "parse_float" | "sqrt" => Kind::Float,
            "to_string" | "sub_string" | "to_upper" | "to_lower" | "type_of" | "to_hex" => Kind::Text,
            "contains" | "starts_with" | "ends_with" | "is_empty" => Kind::Bool,
            "split" | "keys" => return (Kind::Array, Kind::Text),
            "to_chars" => return (Kind::Array, Kind::Char),
            "values" => Kind::Array,
            _ if self.changes_in_place(call) => Kind::Unit,
            _ => Kind::Unknown,
        };
        (kind, Kind::Unknown)
    }

    fn of_operator(&self, call: &FnCallExpr) -> Kind {
        let kinds: Vec<Kind> = call.args.iter().map(|argument| self.of(argument)).collect();
        match (call.name.as_str(), kinds.as_slice()) {
            ("==" | "!=" | "<" | "<=" | ">" | ">=" | "!" | "in", _) => Kind::Bool,
            ("+", [Kind::Text, _] | [_, Kind::Text]) => Kind::Text,
            ("-" | "+", [number @ (Kind::Int | Kind::Float)]) => *number,
            ("+", [Kind::Float, Kind::Int | Kind::Float] | [Kind::Int, Kind::Float]) => Kind::Float,
            ("-" | "*" | "/" | "%" | "**", [Kind::Float, _] | [_, Kind::Float]) => Kind::Float,
            // A text, an array, or a float.
            ("+", [Kind::Float, _] | [_, Kind::Float]) => Kind::NoOrder,
            ("+" | "-" | "*" | "/" | "%" | "**" | "<<" | ">>" | "&" | "|" | "^", [Kind::Int, Kind::Int]) => {
                Kind::Int
            }
            ("+" | "-" | "*" | "/" | "%" | "**" | "<<" | ">>", _) => Kind::NoBoolean,
            _ => Kind::Unknown,
        }
    }
}

/// Keeps what is known of a name only as far as it agrees with what is known already.
fn merge<K: Ord>(known: &mut BTreeMap<K, Known>, name: K, value: Known) {
    known
        .entry(name)
        .and_modify(|known| *known = (known.0.or(value.0), known.1.or(value.1)))
        .or_insert(value);
}

/// How many variables each closure uses; they come first among the parameters of its function.
fn captured_by_closures(program: &AST) -> BTreeMap<String, usize> {
    let mut captured = BTreeMap::new();
    program.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(closure @ Expr::Stmt(_))) = path.last()
            && let Some(name) = super::closure_name(closure)
        {
            captured.insert(name, super::captures(closure).count());
        }
        true
    });
    captured
}

/// The names that are declared or assigned to anywhere.
fn declared(program: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    program.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                names.insert(var.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                names.extend(variable_of(&assignment.1.lhs));
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                names.insert(parts.0.name.to_string());
                names.extend(parts.1.iter().map(|counter| counter.name.to_string()));
            }
            _ => {}
        }
        true
    });
    names
}

/// The variable that this is, or is a part of.
fn variable_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Index(parts, ..) | Expr::Dot(parts, ..) => variable_of(&parts.lhs),
        _ => None,
    }
}

/// How often what is known of variables is used to learn more of them.
const ROUNDS: usize = 3;

/// What the SDK gives that is no value of the language.
const OBJECTS: [&str; 10] = [
    "DateTime",
    "DirEntry",
    "DirHandle",
    "DiskUsageEntry",
    "DiskUsageResult",
    "FileHandle",
    "Metadata",
    "Match",
    "SymlinkHandle",
    "WordCount",
];

/// Methods of arrays that give each element to a function.
const GIVE_ELEMENTS: [&str; 8] = ["all", "drain", "filter", "find", "find_map", "map", "retain", "some"];

/// Methods of arrays that give two elements to a function.
const COMPARE: [&str; 4] = ["order", "order_by", "sort", "sort_by"];

/// Methods of arrays whose result has elements of the same kind.
const KEEP_ELEMENTS: [&str; 6] = ["drain", "extract", "filter", "order", "order_by", "order_desc"];

/// What can be called on an array without an element of another kind coming into it.
const LOOKS: [&str; 30] = [
    "all",
    "chop",
    "clear",
    "contains",
    "dedup",
    "drain",
    "extract",
    "filter",
    "find",
    "find_map",
    "index_of",
    "is_empty",
    "len",
    "map",
    "order",
    "order_by",
    "order_desc",
    "pop",
    "reduce",
    "remove",
    "retain",
    "reverse",
    "shift",
    "some",
    "sort",
    "sort_by",
    "sort_desc",
    "to_json",
    "to_string",
    "truncate",
];

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

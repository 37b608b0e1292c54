//! Calls for which there is no function, whatever the values are: told by `run --dry-run`.
//!
//! A name that neither the table nor the script has fails wherever it is reached. A method may also be a closure that a map
//! of the script has under the name, so that of those only what no map can have is certain.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, FnNamespace, Position, Stmt};

/// Calls that cannot succeed, or hardly can, each with its place.
#[derive(Debug, Default)]
pub struct Calls {
    /// There is no function of this name, in the order of the script.
    pub missing: Vec<(String, Position)>,
    /// There is no method of this name; a map may have it, under a key that the script makes while it runs.
    pub doubtful: Vec<Position>,
    /// Functions of this name take more values, or fewer.
    pub counted_wrongly: Vec<Position>,
}

/// The calls of a script for which there is no function.
pub fn unresolved(engine: &Engine, program: &AST) -> Calls {
    let known = Known::of(engine, program);
    let said = Said::of(program);
    let mut calls = Calls::default();
    program.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) => {
                calls.function(&known, call, *at);
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, at))) => calls.method(&known, &said, call, *at),
            _ => {}
        }
        true
    });
    calls.missing.sort_by_key(|(_, at)| *at);
    calls
}

impl Calls {
    fn function(&mut self, known: &Known, call: &FnCallExpr, at: Position) {
        if call.is_operator_call() || OF_THE_ENGINE.contains(&call.name.as_str()) {
            return;
        }
        let name = match call.namespace.to_string() {
            none if none.is_empty() => call.name.to_string(),
            // What is imported cannot be known, and there is nothing to import from.
            module if !known.modules.contains(&module) => return,
            module => format!("{module}::{}", call.name),
        };
        match known.functions.get(&name) {
            None if known.may_be_asked_for => {}
            None => self.missing.push((name, at)),
            Some(forms) if forms.iter().any(|form| form.values == call.args.len()) => {}
            Some(_) => self.counted_wrongly.push(at),
        }
    }

    fn method(&mut self, known: &Known, said: &Said, call: &FnCallExpr, at: Position) {
        let name = call.name.as_str();
        if OF_THE_ENGINE.contains(&name) || said.names.contains(name) {
            return;
        }
        let given = call.args.len();
        // What the script declares has the value as `this`, and what is registered as its first parameter.
        let fits =
            |form: &Form| form.values == if form.is_of_script { given } else { given.saturating_add(1) };
        match known.functions.get(name) {
            None if said.makes_keys => self.doubtful.push(at),
            None => self.missing.push((name.to_owned(), at)),
            Some(forms) if forms.iter().any(fits) => {}
            Some(_) => self.counted_wrongly.push(at),
        }
    }
}

/// How many values a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    values: usize,
    is_of_script: bool,
}

/// What can be called by name.
struct Known {
    functions: BTreeMap<String, BTreeSet<Form>>,
    modules: BTreeSet<String>,
    /// Whether the script asks for names itself, with `is_def_fn`, and so may pass over what there is not.
    may_be_asked_for: bool,
}

impl Known {
    fn of(engine: &Engine, program: &AST) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<Form>> = BTreeMap::new();
        let mut modules = BTreeSet::new();
        let registered = engine.collect_fn_metadata(
            None,
            |function| {
                let metadata = function.metadata;
                let is_global = metadata.namespace == FnNamespace::Global;
                Some((
                    function.namespace.to_string(),
                    metadata.name.to_string(),
                    metadata.num_params,
                    is_global,
                ))
            },
            true,
        );
        for (module, name, values, is_global) in registered {
            let form = Form { values, is_of_script: false };
            if module.is_empty() || is_global {
                functions.entry(name.clone()).or_default().insert(form);
            }
            if !module.is_empty() {
                functions.entry(format!("{module}::{name}")).or_default().insert(form);
                modules.insert(module);
            }
        }
        for function in program.iter_functions() {
            let form = Form { values: function.params.len(), is_of_script: true };
            functions.entry(function.name.to_string()).or_default().insert(form);
        }
        let mut may_be_asked_for = false;
        program.walk(&mut |path: &[ASTNode<'_>]| {
            let call = match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => call,
                _ => return true,
            };
            may_be_asked_for |= call.name == "is_def_fn";
            true
        });
        Self { functions, modules, may_be_asked_for }
    }
}

/// Names that a map of the script may have for a closure.
#[derive(Default)]
struct Said {
    names: BTreeSet<String>,
    /// Whether a key is put into a map that is not written out.
    makes_keys: bool,
}

impl Said {
    fn of(program: &AST) -> Self {
        let mut said = Self::default();
        program.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => said.assigned(&assignment.1.lhs),
                Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                    said.makes_keys |= sets(call, 1);
                }
                Some(ASTNode::Expr(expr)) => said.expression(expr),
                _ => {}
            }
            true
        });
        said
    }

    fn expression(&mut self, expr: &Expr) {
        match expr {
            Expr::Map(entries, _) => {
                self.names.extend(entries.0.iter().map(|(name, _)| name.name.to_string()));
                self.names.extend(entries.1.keys().map(ToString::to_string));
            }
            Expr::DynamicConstant(value, _) => {
                let keys = value.as_map_ref().map(|map| map.keys().map(ToString::to_string).collect());
                self.names.extend(keys.unwrap_or_else(|_| Vec::new()));
            }
            Expr::Property(property, _) => {
                self.names.insert(property.2.to_string());
            }
            Expr::StringConstant(text, _) => {
                self.names.insert(text.to_string());
            }
            Expr::MethodCall(call, _) => self.makes_keys |= sets(call, 0),
            _ => {}
        }
    }

    /// The place that something is assigned to, which may be an element under any key.
    fn assigned(&mut self, place: &Expr) {
        match place {
            Expr::Index(parts, ..) => {
                let key = match &parts.rhs {
                    Expr::Index(more, ..) | Expr::Dot(more, ..) => &more.lhs,
                    last => last,
                };
                self.makes_keys |= !key.is_constant();
                self.assigned(&parts.lhs);
                self.assigned(&parts.rhs);
            }
            Expr::Dot(parts, ..) => {
                self.assigned(&parts.lhs);
                self.assigned(&parts.rhs);
            }
            _ => {}
        }
    }
}

/// Whether this puts a value into a map under a key, the parameter behind the first so many, that is not written out.
fn sets(call: &FnCallExpr, key: usize) -> bool {
    call.name == "set" && call.args.get(key).is_some_and(|key| !key.is_constant())
}

/// What the engine itself does where it finds the name of a call.
const OF_THE_ENGINE: [&str; 10] =
    ["Fn", "call", "curry", "debug", "eval", "is_def_fn", "is_def_var", "is_shared", "print", "type_of"];

#[cfg(test)]
mod tests {
    use rex_ipc::control::{Doubt, ScriptEnd};

    use crate::testing::Bench;

    /// What a check says of the script, and what becomes of it when it runs.
    fn checked(bench: &Bench, script: &str) -> (ScriptEnd, String, Vec<Doubt>) {
        let ended = bench.check(script);
        let doubts = ended.outcome.remarks.as_slice().iter().map(|remark| remark.doubt).collect();
        (ended.outcome.end, ended.text, doubts)
    }

    #[test]
    fn a_function_that_there_is_not_is_refused_with_its_place() {
        for (script, text) in [
            ("let x = 1;\n  catt(\"/a\")", "Function not found: catt (line 2, position 3)"),
            ("fn f() { nfo(\"x\") } 1", "Function not found: nfo (line 1, position 10)"),
            ("let f = || nfo(\"x\"); 1", "Function not found: nfo (line 1, position 12)"),
            ("if false { nfo() }", "Function not found: nfo (line 1, position 12)"),
            ("let a = [1]; a.pussh(2); a", "Function not found: pussh (line 1, position 16)"),
            ("[1].map(|x| x.nope()).len()", "Function not found: nope (line 1, position 15)"),
            ("`${nfo()}`", "Function not found: nfo (line 1, position 4)"),
            (
                "grep([grep::max_cuont(1)], \"a\", \"/l\")",
                "Function not found: grep::max_cuont (line 1, position 13)",
            ),
            ("let m = #{a: || 1}; m.b()", "Function not found: b (line 1, position 23)"),
            ("let f = |x| x; f(1)", "Function not found: f (line 1, position 16)"),
            ("one(); two()", "Function not found: one (line 1, position 1)"),
        ] {
            for bench in [Bench::new(), Bench::new().like_rex()] {
                let (end, told, _) = checked(&bench, script);
                assert_eq!((end, told.as_str()), (ScriptEnd::CompileError, text), "{script}");
            }
        }
    }

    #[test]
    fn all_of_them_are_told() {
        let (_, _, doubts) = checked(
            &Bench::new(),
            "one(); two(); three(); let m = #{}; let k = `k${1}`; m[k] = || 1; m.k1()",
        );

        assert_eq!(doubts, [Doubt::NoFunction; 3]);
    }

    #[test]
    fn a_count_that_no_function_has_is_a_warning() {
        for script in [
            "cat()",
            "cat([], \"/a\", 1)",
            "let a = [1]; a.push(1, 2, 3, 4); a",
            "fn f(x) { x } f()",
            "fn f(x) { x } let a = 1; a.f()",
            "grep([grep::max_count()], \"a\", \"/l\")",
        ] {
            let (end, told, doubts) = checked(&Bench::new(), script);

            assert_eq!((end, told.as_str()), (ScriptEnd::Value, ""), "{script}");
            assert!(doubts.contains(&Doubt::Arity), "{script}: {doubts:?}");
            let failed = Bench::new().failure(script);
            assert!(failed.contains("unction not found"), "{script}: {failed}");
        }
    }

    // Each of these ends with a value when it runs, so that a check must say nothing of its calls.
    #[test]
    fn what_resolves_is_not_doubted() {
        for script in [
            "let f = |x| x + 1; f.call(1)",
            "let f = |x| x + 1; call(f, 1)",
            "fn f(x) { x } Fn(\"f\").call(1)",
            "fn f(x, y) { x + y } let g = Fn(\"f\").curry(1); [g.call(2), curry(Fn(\"f\"), 1).call(2)]",
            "fn f() { this + 1 } let a = 1; a.f()",
            "fn f(x) { this + x } let a = 1; a.f(2)",
            "let k = 3; let f = |x| x + k; [1].map(f)",
            "let m = #{act: |x| x}; m.act(1)",
            "let m = #{}; m.act = |x| x; m.act(1)",
            "let m = #{}; m[\"act\"] = |x| x; m.act(1)",
            "let m = #{inner: #{}}; m.inner.act = |x| x; m.inner.act(1)",
            "let m = #{}; m.set(\"act\", |x| x); m.act(1)",
            "let m = #{push: |a, b, c| a + b + c}; m.push(1, 2, 3)",
            "if is_def_fn(\"nope\", 1) { nope(1) }",
            "type_of(1); 1.type_of(); is_def_var(\"x\"); let a = 1; a.is_shared(); is_shared(a)",
            "let a = [3, 1]; a.sort(); a.sort(|x, y| x - y); a.len(); a.len; 5 in a; a[0]; -a[0]; !true",
            "let t = \"a,b\"; t.split(\",\"); t.len; t.to_upper(); t += 'x'; t.contains(\"a\"); \"a\" in t",
            "let b = blob(3, 1); b.len(); b[0]; range(1, 3); (1..3).contains(2)",
            "let n = 5.5; n.floor(); n.to_int(); abs(-3); max(1, 2); 2 ** 3; PI()",
            "let x = 0; try { throw 1 } catch (e) { x = e } x",
            "debug(1); info(`x`); exit()",
            "#{a: 1}.keys(); let m = #{a: 1}; m.remove(\"a\"); m.mixin(#{b: 2}); m += #{c: 1}; m.to_json()",
        ] {
            let ran = Bench::new().run(script);
            assert_eq!(ran.outcome.end, ScriptEnd::Value, "{script}: {}", ran.text);

            let (end, told, doubts) = checked(&Bench::new(), script);
            assert_eq!((end, told.as_str()), (ScriptEnd::Value, ""), "{script}");
            assert!(
                !doubts.iter().any(|doubt| matches!(doubt, Doubt::Arity | Doubt::NoFunction)),
                "{script}"
            );
        }
    }

    // A key that is made while the script runs may be any name.
    #[test]
    fn a_method_that_a_map_may_have_is_a_warning() {
        let script = "let m = #{}; let k = `a${\"ct\"}`; m[k] = |x| x; m.act(1)";

        assert_eq!(Bench::new().output(script), "1");
        assert_eq!(
            checked(&Bench::new(), script),
            (ScriptEnd::Value, String::new(), vec![Doubt::NoFunction])
        );
    }

    // There is nothing to import from, so that what a module has is not known, and its import fails anyway.
    #[test]
    fn what_is_imported_is_not_judged() {
        let (end, told, _) = checked(&Bench::new(), "import \"x\" as m; m::f()");

        assert_eq!((end, told.as_str()), (ScriptEnd::Value, ""));
    }
}

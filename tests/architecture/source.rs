//! Reads Rust code: enough of it to find every path that a file names.
//!
//! [`code`] blanks comments, literals and test modules. [`paths`] finds the paths in what is left,
//! those of `use` trees included, and resolves `crate`, `self` and `super` to absolute paths. Paths
//! that begin with another name are other crates' or the file's own, and are left out.

use std::path::Path;

/// An absolute path, without `crate`.
pub(crate) type ModulePath = Vec<String>;

/// The text with spaces in place of comments, literals, and items that only tests compile.
pub(crate) fn code(text: &str) -> String {
    without_tests(&without_literals(text))
}

/// Blanks comments, strings and characters. Lines stay where they are.
pub(crate) fn without_literals(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let length = literal(&text, at);
        if length == 0 {
            code.push(text[at]);
            at += 1;
        } else {
            code.extend(
                text[at..at + length]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at += length;
        }
    }
    code
}

/// The length of the comment or literal that begins here: 0 where none does.
fn literal(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => 1 + escaped_until(&rest[1..], '"'),
        ['r', next, ..] if matches!(next, '"' | '#') && !continues_word(text, at) => raw_string(rest),
        ['\'', '\\', ..] => 1 + escaped_until(&rest[1..], '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

/// Whether the character here belongs to a word that began before it, other than the `b` or `c` of
/// a literal.
fn continues_word(text: &[char], at: usize) -> bool {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let before: Vec<char> = text[..at].iter().rev().copied().take_while(is_word).collect();
    !matches!(before[..], [] | ['b' | 'c'])
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length up to and with the end, before which a backslash takes away its meaning.
fn escaped_until(rest: &[char], end: char) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == end => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"` or `r#"…"#`; 0 for a raw identifier.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let start = 2 + hashes;
    let ends = |at: usize| {
        let after = &rest[at + 1..];
        rest[at] == '"' && after.len() >= hashes && after[..hashes].iter().all(|c| *c == '#')
    };
    (start..rest.len())
        .find(|at| ends(*at))
        .map_or(rest.len(), |at| at + 1 + hashes)
}

/// Removes each item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = ["#[cfg(test)]", "#[cfg(all(test,"]
        .iter()
        .filter_map(|attribute| rest.find(attribute))
        .min()
    {
        kept.push_str(&rest[..at]);
        rest = &rest[at + item_length(&rest[at..])..];
    }
    kept + rest
}

/// The length of an item with its attributes: to its `;`, or to the end of its braces.
fn item_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    code.len()
}

/// The module that a file of `src/` is: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
pub(crate) fn module(file: &Path) -> ModulePath {
    let file = file.strip_prefix("src").unwrap().with_extension("");
    let mut path: ModulePath = file.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

/// All paths in this code that begin with `crate`, `self` or `super`, as seen from the module that
/// it is in.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<ModulePath> {
    let words = words(code);
    let mut found = Vec::new();
    // The inline modules that are open here, each with the depth of the braces around it.
    let mut inline: Vec<(usize, &str)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < words.len() {
        match &words[at..] {
            ["mod", name, "{", ..] => {
                inline.push((depth, *name));
                depth += 1;
                at += 3;
            }
            ["{", ..] => (depth, at) = (depth + 1, at + 1),
            ["}", ..] => {
                depth -= 1;
                if inline.last().is_some_and(|(outside, _)| *outside == depth) {
                    inline.pop();
                }
                at += 1;
            }
            [start @ ("crate" | "self" | "super"), "::", ..] if at == 0 || words[at - 1] != "::" => {
                let here = module
                    .iter()
                    .map(String::as_str)
                    .chain(inline.iter().map(|(_, name)| *name));
                let mut here: Vec<&str> = here.collect();
                match *start {
                    "crate" => here.clear(),
                    "super" => drop(here.pop()),
                    _ => {}
                }
                at += 2 + tree(&words[at + 2..], &here, &mut found);
            }
            _ => at += 1,
        }
    }
    found
}

/// Reads a path or a `use` tree after its prefix and `::`. Returns how many words it takes.
fn tree(words: &[&str], prefix: &[&str], found: &mut Vec<ModulePath>) -> usize {
    match words {
        ["{", ..] => {
            let mut at = 1;
            while at < words.len() && words[at] != "}" {
                if words[at] == "," {
                    at += 1;
                } else {
                    at += tree(&words[at..], prefix, found);
                    // A rename, which changes nothing here.
                    if words.get(at) == Some(&"as") {
                        at += 2;
                    }
                }
            }
            at + 1
        }
        ["self", ..] => {
            found.push(owned(prefix));
            1
        }
        ["super", "::", ..] => 2 + tree(&words[2..], &prefix[..prefix.len().saturating_sub(1)], found),
        [name, "::", next, ..] if is_name(next) || ["{", "*"].contains(next) => {
            2 + tree(&words[2..], &[prefix, &[*name]].concat(), found)
        }
        [name, ..] => {
            found.push(owned(&[prefix, &[*name]].concat()));
            1
        }
        [] => 0,
    }
}

fn owned(path: &[&str]) -> ModulePath {
    path.iter().map(|name| (*name).to_owned()).collect()
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and single other characters.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

fn names(text: &str, module: &str) -> Vec<String> {
    let module: ModulePath = module.split("::").map(str::to_owned).collect();
    paths(&code(text), &module).iter().map(|path| path.join("::")).collect()
}

#[test]
fn comments_and_literals_are_blank() {
    for text in [
        "// crate::a::B",
        "/// [`crate::a::B`]",
        "/* crate::a /* nested */ crate::b */",
        "let _ = \"crate::a \\\" crate::b\";",
        "let _ = r#\"crate::a \" crate::b\"#;",
        "let _ = br\"crate::a\";",
        "let _ = ('\"', crate_a, '\\'', b'\"');",
    ] {
        assert_eq!(names(text, "x"), [""; 0], "{text}");
    }
    assert_eq!(names("fn f<'a>(a: &'a str) -> crate::a::B<'a> {}", "x"), ["a::B"]);
    assert_eq!(names("let r = '\"'; crate::a::b(); let s = \"\";", "x"), ["a::b"]);
}

#[test]
fn use_trees_are_taken_apart() {
    let text = "use crate::{\n    a::{self, B, c::{D, E as F}},\n    g::*,\n    H,\n};\nuse crate::i::J as K;";
    assert_eq!(
        names(text, "x"),
        ["a", "a::B", "a::c::D", "a::c::E", "g::*", "H", "i::J"]
    );
}

#[test]
fn paths_in_the_code_are_found() {
    let text = "fn f(a: crate::a::B) -> Vec<crate::c::D> { crate::e::f::<u8>(); $crate::g!() }";
    assert_eq!(names(text, "x"), ["a::B", "c::D", "e::f", "g"]);
    assert_eq!(names("pub(crate) struct A(pub(super) B);", "x"), [""; 0]);
}

#[test]
fn self_and_super_are_seen_from_the_module() {
    assert_eq!(names("use super::{super::a::B, c};", "x::y"), ["a::B", "x::c"]);
    assert_eq!(names("use super::super::a;", "x::y::z"), ["x::a"]);
    assert_eq!(names("use self::a::B;", "x"), ["x::a::B"]);
    assert_eq!(
        names("mod m { use super::A; }\nuse super::B;", "x::y"),
        ["x::y::A", "x::B"]
    );
    assert_eq!(names("fn f() { if a { mod::b() } } use super::C;", "x::y"), ["x::C"]);
}

#[test]
fn what_only_tests_compile_is_left_out() {
    let text = "use crate::a::B;\n#[cfg(test)]\nmod tests { fn f() { use crate::c::D; } }\nuse crate::e::F;";
    assert_eq!(names(text, "x"), ["a::B", "e::F"]);
    let text = "#[cfg(all(test, not(breaker_loom)))]\n#[allow(dead_code)]\nuse crate::{a::B};\nuse crate::c::D;";
    assert_eq!(names(text, "x"), ["c::D"]);
    assert_eq!(names("#[cfg(not(test))]\nuse crate::a::B;", "x"), ["a::B"]);
}

#[test]
fn files_are_modules() {
    let module = |file: &str| module(Path::new(file)).join("::");
    assert_eq!(module("src/lib.rs"), "");
    assert_eq!(module("src/error.rs"), "error");
    assert_eq!(module("src/breaker/mod.rs"), "breaker");
    assert_eq!(module("src/breaker/fast_path/gate.rs"), "breaker::fast_path::gate");
}

//! The shape of the sources: which module may know which, and how long a file
//! or a function may be. It is read from the text, so that a wrong arrow is
//! named with its file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The wings of `data`, from the ground up: each uses only those before it.
/// A total order leaves no room for a circle. `cli` is the program on top of
/// the library, which cannot name it.
const FLOORS: [&str; 13] = [
    "record",
    "signal",
    "output",
    "program",
    "formats",
    "pipeline",
    "episodes",
    "beat_files",
    "datasets",
    "scoring",
    "simulate",
    "holter",
    "plot",
];

#[test]
fn no_wing_knows_one_above_it() {
    let floor = |wing: &str| FLOORS.iter().position(|f| *f == wing);
    for arrow in arrows() {
        let (from, to) = (arrow.from[0].as_str(), arrow.to[0].as_str());
        let known = floor(from).zip(floor(to));
        let (below, above) = known.unwrap_or_else(|| panic!("{from} or {to} has no floor"));
        assert!(
            above <= below,
            "{} uses {}: `{to}` lies above `{from}`; move what both need to the lower floor",
            file(&arrow.from),
            file(&arrow.to),
        );
    }
}

#[test]
fn no_modules_of_a_wing_know_each_other() {
    // What lies deeper belongs to its module; a wing's own file is one too.
    let module = |path: &[String]| path[..path.len().min(2)].to_vec();
    let mut uses: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for arrow in arrows() {
        let (from, to) = (module(&arrow.from), module(&arrow.to));
        if from[0] == to[0] && from != to {
            uses.entry(from).or_default().insert(to);
        }
    }
    let mut circles = Vec::new();
    for (module, direct) in &uses {
        for other in direct {
            if reaches(&uses, other, module) && module < other {
                circles.push(format!("{} and {}", file(module), file(other)));
            }
        }
    }
    assert!(
        circles.is_empty(),
        "modules that use each other, directly or through others: {}; give what both need a file of its own",
        circles.join(", ")
    );
}

/// Lines that a source file and a function may have.
const LONGEST: [usize; 2] = [500, 80];

/// Files that are longer, and why.
const LONG_FILES: [(&str, &str); 4] = [
    (
        "data/src/episodes.rs",
        "one state machine: a rhythm a method",
    ),
    (
        "data/src/pipeline/template.rs",
        "a memory and its measurements",
    ),
    (
        "data/src/pipeline.rs",
        "the pipeline and its types, read as one",
    ),
    (
        "data/src/simulate/synth/heart.rs",
        "a rhythm after the other",
    ),
];

/// Functions that are longer, and why.
const LONG_FUNCTIONS: [(&str, &str, &str); 6] = [
    (
        "data/src/cli/convert.rs",
        "records",
        "two tasks, batches of records",
    ),
    ("embedded/benches/edge.rs", "main", "a list of measurements"),
    ("embedded/tests/soak.rs", "soak", "one long story"),
    (
        "models/src/onnx/operators.rs",
        "apply",
        "a match: an arm an operator",
    ),
    (
        "tests/tests/edge_cli.rs",
        "bad_input_is_one_message_and_no_output",
        "a table of cases",
    ),
    (
        "train/src/session.rs",
        "finish",
        "the last steps of a run in order",
    ),
];

#[test]
fn files_and_functions_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut files, mut functions) = (Vec::new(), Vec::new());
    for part in [
        "data", "embedded", "fuzz", "infer", "models", "python", "report", "tests", "train",
    ] {
        for path in sources(&root.join(part)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if text.lines().count() > LONGEST[0] {
                files.push(name.clone());
            }
            let long = functions_of(&text).into_iter().filter(|f| f.1 > LONGEST[1]);
            functions.extend(long.map(|(function, _)| (name.clone(), function)));
        }
    }
    // What became short is no exception any more.
    assert_eq!(
        files,
        LONG_FILES.map(|(file, _)| file),
        "files above {} lines, left, are not the named exceptions",
        LONGEST[0]
    );
    let expected = LONG_FUNCTIONS.map(|(file, name, _)| (file.to_owned(), name.to_owned()));
    assert_eq!(
        functions, expected,
        "functions above {} lines, left, are not the named exceptions",
        LONGEST[1]
    );
}

/// The functions in a formatted file and their lengths in lines.
fn functions_of(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(place) = words.iter().position(|word| *word == "fn") else {
            continue;
        };
        let qualifies = |w: &&str| w.starts_with("pub") || ["const", "async"].contains(w);
        if !words[..place].iter().all(qualifies) || place + 1 == words.len() {
            continue;
        }
        let name = words[place + 1]
            .split(['(', '<'])
            .next()
            .unwrap_or_default();
        let rest = lines[at..].iter();
        let end = rest.map(|l| (indent(l) == indent(line)) && l.ends_with(['}', ';']));
        let length = 1 + end.take_while(|is_end| !is_end).count();
        found.push((name.to_owned(), length));
    }
    found
}

/// Whether one module uses another, directly or through others.
fn reaches(
    uses: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    from: &[String],
    to: &[String],
) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_vec()];
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module.clone()) {
            open.extend(uses.get(&module).into_iter().flatten().cloned());
        }
    }
    false
}

/// Modules of `data`, as paths from its root, of which one uses the other.
struct Arrow {
    from: Vec<String>,
    to: Vec<String>,
}

/// The source file of a module.
fn file(module: &[String]) -> String {
    format!("data/src/{}.rs", module.join("/"))
}

/// What the modules of the library use of each other, tests apart.
fn arrows() -> Vec<Arrow> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: BTreeMap<Vec<String>, String> = sources(&root)
        .iter()
        .map(|path| {
            let module = path.strip_prefix(&root).unwrap().with_extension("");
            let parts = module.iter().map(|part| part.to_str().unwrap().to_owned());
            (parts.collect(), code(path))
        })
        .collect();
    let tests: BTreeSet<Vec<String>> = sources
        .iter()
        .flat_map(|(module, text)| {
            let names = text.split("#[cfg(test)]\nmod ").skip(1);
            let names = names.filter_map(|rest| Some(rest.split_once(';')?.0.to_owned()));
            names.map(|name| [module.as_slice(), &[name]].concat())
        })
        .collect();
    let is_test = |m: &[String]| (1..=m.len()).any(|n| tests.contains(&m[..n]));
    let mut arrows = Vec::new();
    for (from, text) in &sources {
        let outside = matches!(from[0].as_str(), "lib" | "main" | "cli");
        if outside || is_test(from) {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for mut to in paths(text, from) {
            while !to.is_empty() && !sources.contains_key(&to) {
                to.pop();
            }
            if !to.is_empty() && to != *from && !is_test(&to) {
                let from = from.clone();
                arrows.push(Arrow { from, to });
            }
        }
    }
    assert!(arrows.len() > 100, "the sources were not read");
    arrows
}

/// The paths in a module's code that begin with `crate::` or `super::` or with
/// a module that it declares, from the crate's root.
fn paths(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut starts = vec![
        ("crate::".to_owned(), Vec::new()),
        ("super::".to_owned(), module[..module.len() - 1].to_vec()),
    ];
    for declaration in text.lines().filter_map(|line| line.strip_suffix(';')) {
        if let Some((_, name)) = declaration.split_once("mod ") {
            let child = [module, &[name.to_owned()]].concat();
            starts.push((format!("{name}::"), child));
        }
    }
    let mut found = Vec::new();
    for (start, base) in starts {
        for (at, _) in text.match_indices(&start) {
            // `pub(in crate::x)` says who may look, and uses nothing.
            let before = &text[..at];
            let inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !inside && !before.ends_with("(in ") {
                expand(&text[at + start.len()..], &base, &mut found);
            }
        }
    }
    found
}

/// Follows a path, and every branch of a group in braces; gives the rest of the
/// text.
fn expand<'a>(text: &'a str, base: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest.trim_start(), base, found).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let path = [base, &[name.to_owned()]].concat();
    if let Some(rest) = rest.strip_prefix("::") {
        return expand(rest, &path, found);
    }
    found.push(path);
    // `as name`, `*` and the like.
    &rest[rest.find([',', '}', ';', ')', '\n']).unwrap_or(rest.len())..]
}

/// A file's text without comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Every source file in a folder and those below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Builds lie in `target`.
                open.extend(Some(path).filter(|p| !p.ends_with("target")));
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

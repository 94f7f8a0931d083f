//! The rule of imports: data flows one way, so a module uses only modules that stand before it.
//!
//! Owns: [`EDGES`], the table of allowed imports between the top-level modules, and [`OWNERS`], which crates only one
//! module may use. Unit tests are free to look anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules in their order, each with those that it may use. The code map in README.md is the same list.
const EDGES: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("text", &[]),
    ("time", &[]),
    ("system", &["error"]),
    ("source", &["text"]),
    ("parse", &["text", "time", "source"]),
    ("select", &["time", "parse"]),
    ("facts", &["error", "time", "parse", "select"]),
    ("count", &["error", "text", "time", "system", "select", "facts"]),
    ("cube", &["error", "text", "time", "select", "facts", "count"]),
    (
        "pipeline",
        &["error", "text", "time", "system", "source", "parse", "select", "facts", "count"],
    ),
    ("database", &["error", "time", "source", "select", "facts", "count", "cube"]),
    ("query", &["error", "time", "select", "facts", "count", "cube", "database"]),
    ("store", &["error", "text", "time", "system", "source"]),
    (
        "publish",
        &["error", "time", "system", "source", "facts", "cube", "pipeline", "database", "store"],
    ),
    ("report", &["text", "time", "query"]),
    ("generate", &["time", "cube"]),
    (
        "session",
        &[
            "error", "text", "time", "system", "source", "parse", "select", "facts", "count",
            "cube", "pipeline", "database", "query", "store", "publish", "report", "generate",
        ],
    ),
    (
        "cli",
        &[
            "error", "text", "time", "system", "source", "parse", "select", "query", "store",
            "report", "generate", "session",
        ],
    ),
];

/// Crates that only one module may use, so that they can be replaced in one place.
const OWNERS: &[(&str, &str)] = &[
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("indicatif", "cli"),
    ("crc32fast", "store"),
    ("flate2", "source"),
    ("jiff", "time"),
    ("memmap2", "source"),
    ("redis", "store"),
    ("rusqlite", "database"),
    ("signal_hook", "system"),
    ("terminal_size", "cli"),
    ("thrift", "store"),
];

/// A source file of the library without its comments and unit tests.
struct SourceFile {
    /// Its path below `src`.
    path: PathBuf,
    code: String,
}

impl SourceFile {
    fn top_module(&self) -> String {
        let first = self.path.iter().next().unwrap().to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }
}

fn source_files() -> Vec<SourceFile> {
    fn visit(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => visit(&path, files),
                Some(extension) if extension == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    visit(&src, &mut paths);
    paths.sort();
    assert!(paths.len() > 100, "only {} source files were found", paths.len());
    let is_tests = |path: &PathBuf| path.ends_with("tests.rs");
    let read = |path: PathBuf| SourceFile {
        code: code(&fs::read_to_string(&path).unwrap()),
        path: path.strip_prefix(&src).unwrap().to_owned(),
    };
    paths.into_iter().filter(|path| !is_tests(path)).map(read).collect()
}

/// The text without line comments and without what follows the first module of unit tests.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests").or_else(|| {
        // `#[cfg(test)] #[cfg(…)] mod tests` and `pub(super) mod tests`.
        let start = text.find("#[cfg(test)]\n")?;
        text[start..].lines().take(3).any(|line| line.contains("mod tests")).then_some(start)
    });
    let lines = text[..tests.unwrap_or(text.len())].lines();
    let without_comments = lines.map(|line| line.split("//").next().unwrap_or_default());
    without_comments.collect::<Vec<_>>().join("\n")
}

/// The first names behind each `prefix::` of the code, those of `prefix::{a::b, c}` too.
fn names_behind(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let pattern = format!("{prefix}::");
    for (start, _) in code.match_indices(&pattern) {
        if code[..start].ends_with(|before: char| is_name(before) || before == ':') {
            continue;
        }
        let rest = &code[start + pattern.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(rest.chars().take_while(|&character| is_name(character)).collect());
            continue;
        };
        let (mut depth, mut is_first) = (1, true);
        let mut name = String::new();
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && is_first && is_name(character) {
                name.push(character);
                continue;
            }
            if !name.is_empty() {
                names.insert(std::mem::take(&mut name));
                is_first = false;
            }
            if depth == 1 && character == ',' {
                is_first = true;
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

#[test]
fn modules_use_only_those_that_stand_before_them() {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let order: Vec<&str> = EDGES.iter().map(|&(module, _)| module).collect();
    let place = |module: &str| order.iter().position(|&other| other == module);
    for (module, used) in EDGES {
        for used in *used {
            assert!(place(used) < place(module), "EDGES: {used} does not stand before {module}");
        }
    }
    let mut unused: BTreeSet<(&str, &str)> = EDGES
        .iter()
        .flat_map(|&(module, used)| used.iter().map(move |&used| (module, used)))
        .collect();
    let mut wrong = Vec::new();
    for file in source_files() {
        let module = file.top_module();
        if matches!(module.as_str(), "main" | "lib" | "guide") {
            continue;
        }
        let Some(allowed) = edges.get(module.as_str()) else {
            wrong.push(format!("src/{module} is not in the table"));
            continue;
        };
        for used in names_behind(&file.code, "crate").into_iter().filter(|used| *used != module) {
            unused.retain(|&edge| edge != (module.as_str(), used.as_str()));
            if place(&used).is_some() && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{} uses crate::{used}", file.path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that the code map does not have:\n  {}\nA module uses only modules that stand before it. If the new \
         import is meant, add it to the table EDGES in {}.",
        wrong.join("\n  "),
        file!()
    );
    assert!(unused.is_empty(), "EDGES in {} allows imports that nothing uses: {unused:?}", file!());
}

#[test]
fn a_crate_with_an_owner_is_used_by_nobody_else() {
    for file in source_files() {
        for (name, owner) in OWNERS {
            let is_used = !names_behind(&file.code, name).is_empty();
            // The store is a module of the same name as the crate.
            let is_module = *name == "redis" && file.path == Path::new("store/mod.rs");
            assert!(
                !is_used || is_module || file.top_module() == *owner,
                "src/{} uses the crate {name}, which only src/{owner} may (OWNERS in {})",
                file.path.display(),
                file!()
            );
        }
    }
}

/// Files of one folder may share what stands in its `mod.rs`, but do not use each other in a circle.
#[test]
fn files_of_a_folder_form_no_circle() {
    let mut edges: BTreeMap<(PathBuf, String), BTreeSet<String>> = BTreeMap::new();
    for file in source_files() {
        let name = file.path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "mod" {
            continue;
        }
        let folder = file.path.parent().unwrap().to_owned();
        edges.insert((folder, name), names_behind(&file.code, "super"));
    }
    for (folder, name) in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut open = vec![name.clone()];
        while let Some(next) = open.pop() {
            for used in edges.get(&(folder.clone(), next)).into_iter().flatten() {
                assert!(
                    used != name,
                    "src/{}: {name}.rs uses itself in a circle",
                    folder.display()
                );
                if seen.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
    }
}

#[test]
fn names_behind_a_prefix_are_found() {
    let code = "use crate::{cube, query::{Question, summary::Summary}, text};\ncrate::error::Error supercrate::x";
    let names: Vec<String> = names_behind(code, "crate").into_iter().collect();
    assert_eq!(names, ["cube", "error", "query", "text"]);
}

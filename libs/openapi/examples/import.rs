//! Imports every document given (files or folders) and prints a line for each; exits with 1 when one fails.
#![expect(clippy::print_stdout, reason = "a tool that prints its result")]

use std::{path::PathBuf, process::ExitCode, time::Instant};

use openapi::{ImportOptions, import};

fn main() -> ExitCode {
    let mut verbose = false;
    let mut files: Vec<PathBuf> = Vec::new();
    for argument in std::env::args().skip(1) {
        if argument == "--verbose" {
            verbose = true;
            continue;
        }
        let path = PathBuf::from(argument);
        match std::fs::read_dir(&path) {
            Ok(entries) => {
                files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_document(path)))
            }
            Err(_) => files.push(path),
        }
    }
    files.sort();
    let (mut operations, mut callable, mut needs, mut failed) = (0, 0, 0, 0);
    println!("{:<42} {:>6} {:>8} {:>6} {:>8} {:>7}", "file", "ops", "callable", "needs", "largest", "ms");
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let started = Instant::now();
        let outcome = std::fs::read(file)
            .map_err(|error| error.to_string())
            .and_then(|content| import("doc", &content, &ImportOptions::default()).map_err(|error| error.to_string()));
        let ms = started.elapsed().as_millis();
        match outcome {
            Ok(document) => {
                let can = document.operations.iter().filter(|o| o.not_callable.is_none()).count();
                let wants: usize = document.operations.iter().map(|o| o.needs.len()).sum();
                let largest =
                    document.operations.iter().filter_map(|o| serde_json::to_vec(o).ok()).map(|json| json.len()).max();
                println!(
                    "{name:<42} {:>6} {can:>8} {wants:>6} {:>8} {ms:>7}",
                    document.operations.len(),
                    largest.unwrap_or(0)
                );
                operations += document.operations.len();
                callable += can;
                needs += wants;
                if verbose {
                    details(&document);
                }
            }
            Err(error) => {
                failed += 1;
                println!("{name:<42} FAILED: {error}");
            }
        }
    }
    println!("{:<42} {operations:>6} {callable:>8} {needs:>6}", format!("{} files, {failed} failed", files.len()));
    if failed == 0 && !files.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_document(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".json", ".yaml", ".yml", ".json.gz", ".yaml.gz", ".yml.gz", ".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn details(document: &openapi::Document) {
    for warning in &document.warnings {
        println!("    warning: {warning}");
    }
    for operation in &document.operations {
        if let Some(reason) = &operation.not_callable {
            println!("    not callable: {} ({reason})", operation.id);
        }
        for need in &operation.needs {
            println!("    need: {} {} <- {} .{}", operation.id, need.field, need.resource, need.id_property);
        }
        if !operation.produces.is_empty() {
            println!("    yields: {} -> {}", operation.id, operation.produces.join(", "));
        }
    }
}

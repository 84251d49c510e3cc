// SPDX-License-Identifier: GPL-2.0-only

//! The C code of the documentation is code of `samples/*.c`, which the tests compile and run: in the Markdown pages as
//! an excerpt, in the manual as a whole program.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn c_code_in_markdown_pages_is_an_excerpt_of_a_sample() {
    let samples = samples();
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("\n```c\n").skip(1) {
            let (code, _) = block.split_once("\n```").unwrap();
            let is_excerpt = samples.iter().any(|(_, sample)| has_lines(sample, code));
            assert!(is_excerpt, "{}: in no sample:\n{code}", page.display());
            count += 1;
        }
    }
    assert!(count >= 3, "{count} blocks of C code found");
}

#[test]
fn examples_in_the_manual_are_samples() {
    let samples = samples();
    let page = fs::read_to_string(top().join("dist/unshare-device.4")).unwrap();
    let (_, examples) = page.split_once("\n.Sh EXAMPLES\n").unwrap();
    let (examples, _) = examples.split_once("\n.Sh ").unwrap();
    let mut count = 0;
    // Commands for a shell are indented.
    for block in examples.split("\n.Bd -literal\n").skip(1) {
        let (code, _) = block.split_once("\n.Ed").unwrap();
        // mdoc(7) writes a backslash as `\e`, and a line that begins with a dot or a quote after `\&`.
        let code = code.replace("\\e", "\\").replace("\\&", "");
        let is_sample = samples.iter().any(|(_, sample)| {
            let (_, program) = sample.split_once("*/\n").unwrap();
            program.trim() == code.trim()
        });
        assert!(is_sample, "no sample is this program:\n{code}");
        count += 1;
    }
    assert_eq!(
        count,
        examples.matches("\n.Ss ").count(),
        "sections without a program"
    );
    assert!(count >= 4, "{count} programs found");
}

/// Whether `text` has these lines, one after the other, all of them indented by the same amount.
fn has_lines(text: &str, code: &str) -> bool {
    let lines: Vec<_> = text.lines().collect();
    let code: Vec<_> = code.lines().collect();
    lines.windows(code.len()).any(|window| {
        let indent = window[0].strip_suffix(code[0]);
        indent.is_some_and(|indent| {
            indent.trim().is_empty()
                && window.iter().zip(&code).all(|(line, code)| {
                    line.is_empty() && code.is_empty() || line.strip_prefix(indent) == Some(code)
                })
        })
    })
}

/// Each sample in C: its path, and its text after the line with the license.
fn samples() -> Vec<(PathBuf, String)> {
    let files = files(&top().join("samples"), "c");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let (_, text) = text.split_once('\n').unwrap();
        (path, text.to_owned())
    };
    files.into_iter().map(read).collect()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files(&top(), "md");
    pages.extend(files(&top().join("docs"), "md"));
    pages
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

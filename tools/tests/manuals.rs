// SPDX-License-Identifier: GPL-2.0-only

//! The manuals say what there is: of each program that is installed the options that its `--help`
//! has, and no other, and what it does with inherited state; of the device what `unshare.h` has.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use unshare_device::Contexts;

const PROGRAMS: [(&str, &str); 2] = [
    (env!("CARGO_BIN_EXE_unshare-run"), "unshare-run.1"),
    (env!("CARGO_BIN_EXE_scratch-copy"), "scratch-copy.1"),
];

#[test]
fn manuals_have_the_options_of_the_programs() {
    for (program, manual) in PROGRAMS {
        let output = Command::new(program).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let page = read(&format!("dist/{manual}"));

        let listed = options(help.lines().map(str::trim_start));
        assert!(listed.contains("--help"), "{manual}: {listed:?}");
        // `.It Fl m , -mount` is what mdoc(7) has for `-m, --mount`.
        let items = page.lines().filter_map(|line| line.strip_prefix(".It Fl "));
        let items: Vec<_> = items
            .map(|item| format!("-{item}").replace(" , ", ", -"))
            .collect();
        assert_eq!(
            options(items.iter().map(String::as_str)),
            listed,
            "{manual}"
        );
    }
}

#[test]
fn manuals_have_the_table_of_inherited_state() {
    let table = read("tools/inherited.table");
    let rows = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let rows: Vec<Vec<_>> = rows.map(|line| line.split_whitespace().collect()).collect();
    let columns = [
        ("unshare-run.1", 1..5),
        ("scratch-copy.1", 5..6),
        ("private-tmp.8", 6..7),
    ];
    for (manual, columns) in columns {
        let page = read(&format!("dist/{manual}"));
        let items = page.lines().filter_map(|line| line.strip_prefix(".It "));
        let items = items.map(|item| item.split(" Ta ").collect::<Vec<_>>());
        let items: Vec<_> = items
            .filter(|item| item.len() == columns.len() + 1)
            .collect();
        let expected = rows
            .iter()
            .map(|row| [&row[..1], &row[columns.clone()]].concat());
        assert!(items[1..].iter().cloned().eq(expected), "{manual}");
    }
}

#[test]
fn the_device_s_manual_has_all_of_the_header() {
    let page = read("dist/unshare-device.4");
    let header = read("src/uapi/unshare.h");

    let is_separator = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let names = header
        .split(is_separator)
        .filter(|word| word.starts_with("UNSHARE_"));
    let contexts = Contexts::all();
    let contexts = contexts
        .iter_names()
        .filter_map(|(_, context)| context.kernel_name());
    let words: BTreeSet<_> = page.split(is_separator).collect();
    for name in names.chain(contexts) {
        assert!(words.contains(name), "{name}");
    }

    for name in ["struct unshare_args {", "struct unshare_query {"] {
        let (_, rest) = header.split_once(name).unwrap();
        let (fields, _) = rest.split_once('}').unwrap();
        assert!(
            page.contains(&format!("{name}{fields}}};")),
            "{name}{fields}"
        );
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The options that lines begin with, `-m, --mount`; in a list, a dash alone is none.
fn options<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let beginning = |line: &'a str| {
        let words = line
            .split([' ', ',', '=', '['])
            .filter(|word| !word.is_empty());
        words
            .take_while(|word| word.starts_with('-') && word.len() > 1)
            .map(str::to_owned)
    };
    lines.flat_map(beginning).collect()
}

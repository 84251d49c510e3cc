// SPDX-License-Identifier: GPL-2.0-only

//! Tables that fit a terminal of 100 columns.

use unshare_device::Contexts;

use crate::view::View;

const COLUMNS: [(Contexts, &str); 13] = [
    (Contexts::FS, "fs"),
    (Contexts::FILES, "files"),
    (Contexts::SYSVSEM, "sysvsem"),
    (Contexts::VM, "vm"),
    (Contexts::SIGHAND, "sighand"),
    (Contexts::MOUNT, "mount"),
    (Contexts::UTS, "uts"),
    (Contexts::IPC, "ipc"),
    (Contexts::PID, "pid"),
    (Contexts::NET, "net"),
    (Contexts::CGROUP, "cgroup"),
    (Contexts::TIME, "time"),
    (Contexts::USER, "user"),
];

/// The contexts that have a column.
pub(crate) fn all() -> Contexts {
    COLUMNS.iter().map(|(context, _)| *context).collect()
}

/// One row of marks each.
pub(crate) fn marks(rows: &[(&str, Contexts)]) {
    header();
    for (label, contexts) in rows {
        row(label, *contexts);
    }
}

fn header() {
    let names: String = COLUMNS
        .iter()
        .map(|(_, name)| format!("  {name}"))
        .collect();
    println!("   {:<13}{names}", "");
}

/// One mark for each of `contexts`.
fn row(label: &str, contexts: Contexts) {
    let marks: String = COLUMNS
        .iter()
        .map(|(context, name)| {
            let mark = if contexts.contains(*context) {
                "x"
            } else {
                "."
            };
            format!("  {mark:^width$}", width = name.len())
        })
        .collect();
    println!("   {label:<13}{}", marks.trim_end());
}

pub(crate) fn views(views: &[(&str, &View)]) {
    println!(
        "   {:<13}  {:<10}  {:<20}  {:<6}  {:<11}  mounts",
        "", "host name", "working directory", "umask", "descriptors"
    );
    for (label, view) in views {
        println!(
            "   {label:<13}  {:<10}  {:<20}  {:<6}  {:<11}  {}",
            view.host,
            view.directory.display().to_string(),
            view.umask,
            view.descriptors,
            view.mounts
        );
    }
}

/// What each wrote, or read, at the two moments.
pub(crate) fn values(rows: &[(&str, [u32; 2])]) {
    println!("   {:<13}  {:<6}  after", "", "before");
    for (label, [before, after]) in rows {
        println!("   {label:<13}  {before:<6}  {after}");
    }
}

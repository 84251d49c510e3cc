// SPDX-License-Identifier: GPL-2.0-only

//! Tables that fit a terminal of 80 columns.

use unshare_device::Contexts;

use crate::style::Style;
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

/// A mark of a context, and the mark's meaning for colours.
type Mark = (&'static str, Style);
const SHARED: Mark = ("x", Style::Shared);
const PRIVATE: Mark = (".", Style::Private);
const NAMED: Mark = ("*", Style::Named);
const NOT_NAMED: Mark = (" ", Style::Private);

/// The contexts that have a column.
pub(crate) fn all() -> Contexts {
    COLUMNS.iter().map(|(context, _)| *context).collect()
}

/// What the marks mean.
pub(crate) fn legend() {
    let [(shared, a), (private, b), (named, c)] = [SHARED, PRIVATE, NAMED];
    println!(
        "{} shared with another task   {} private   {} named by a request or its result\n",
        a.paint(shared),
        b.paint(private),
        c.paint(named)
    );
}

pub(crate) fn header() {
    let names: Vec<_> = COLUMNS.iter().map(|(_, name)| *name).collect();
    println!("{:<14}{}", "", names.join(" "));
}

/// A row of what is shared and what is not.
pub(crate) fn sharing(label: &str, shared: Contexts) {
    row(label, shared, SHARED, PRIVATE);
}

/// A row of what a request, or its result, names.
pub(crate) fn named(label: &str, contexts: Contexts) {
    row(label, contexts, NAMED, NOT_NAMED);
}

fn row(label: &str, contexts: Contexts, yes: Mark, no: Mark) {
    let mut line = format!("{label:<14}");
    for (context, name) in COLUMNS {
        let (mark, style) = if contexts.contains(context) { yes } else { no };
        let before = (name.len() - 1) / 2;
        let after = name.len() - before;
        line += &format!("{:before$}{}{:after$}", "", style.paint(mark), "");
    }
    println!("{}", line.trim_end());
}

/// What each task sees of the system.
pub(crate) fn views(views: &[(&str, &View)]) {
    println!(
        "{:<14}{:<10} {:<10} {:<6} {:<12} mounts",
        "", "host name", "directory", "umask", "descriptors"
    );
    for (label, view) in views {
        println!(
            "{label:<14}{:<10} {:<10} {:<6} {:<12} {}",
            view.host,
            view.directory.display().to_string(),
            view.umask,
            view.descriptors,
            view.mounts
        );
    }
}

/// The values of a variable before and after the child left its parent's memory.
pub(crate) fn values(rows: &[(&str, [u32; 2])]) {
    println!("{:<14}{:<6} after", "", "before");
    for (label, [before, after]) in rows {
        println!("{label:<14}{before:<6} {after}");
    }
}

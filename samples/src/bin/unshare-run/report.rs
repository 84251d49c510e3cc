// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, Write};

use unshare_device::{Contexts, Query};

/// The table of `--query`.
pub(crate) fn table(query: &Query) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "CONTEXT            ACCEPTED  SHARED  OPTION")?;
    let known = Contexts::all().iter_names().map(|(_, context)| context);
    for context in known.filter(|context| *context != Contexts::EMPTY_MNTNS) {
        row(&mut out, query, context)?;
    }
    // It is about the namespace that CLONE_NEWNS names, so it has no sharers of its own.
    row(&mut out, query, Contexts::EMPTY_MNTNS)
}

fn row(out: &mut impl Write, query: &Query, context: Contexts) -> io::Result<()> {
    let yes = |set: Contexts| if set.contains(context) { "yes" } else { "no" };
    let shared = match context {
        Contexts::EMPTY_MNTNS => "-",
        _ => yes(query.shared),
    };
    let name = context.to_string();
    let accepted = yes(query.contexts);
    let option = option(context);
    writeln!(out, "{name:<19}{accepted:<10}{shared:<8}{option}")
}

fn option(context: Contexts) -> &'static str {
    match context {
        Contexts::FS => "--fs",
        Contexts::FILES => "--files",
        Contexts::SYSVSEM => "--sysvsem",
        Contexts::VM => "--vm",
        Contexts::SIGHAND => "--sighand",
        Contexts::MOUNT => "--mount",
        Contexts::EMPTY_MNTNS => "--empty-mount",
        Contexts::UTS => "--uts",
        Contexts::IPC => "--ipc",
        Contexts::USER => "--user",
        Contexts::PID => "--pid",
        Contexts::NET => "--net",
        Contexts::CGROUP => "--cgroup",
        Contexts::TIME => "--time",
        _ => "-",
    }
}

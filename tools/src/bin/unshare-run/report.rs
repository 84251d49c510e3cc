// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, Write};

use unshare_device::{Contexts, Query};

use crate::names::name;

/// The table of `--query`.
pub(crate) fn table(query: &Query) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "CONTEXT            ACCEPTED  ATTACHABLE  SHARED  OPTION"
    )?;
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
    let shown = context.to_string();
    let accepted = yes(query.contexts);
    let attachable = yes(query.attachable);
    let option = name(context).map_or("-".to_owned(), |name| format!("--{name}"));
    writeln!(
        out,
        "{shown:<19}{accepted:<10}{attachable:<12}{shared:<8}{option}"
    )
}

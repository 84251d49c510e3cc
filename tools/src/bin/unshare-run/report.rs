// SPDX-License-Identifier: GPL-2.0-only

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use unshare_device::{Contexts, Options, Query};
use unshare_tools::Refusal;

use crate::names::name;

/// The options of a request, in the order of their bits.
const OPTIONS: [(Options, &str); 3] = [
    (Options::DRY_RUN, "dry_run"),
    (Options::CLOSE_RANGE, "close_range"),
    (Options::HOLD, "hold"),
];

/// The answer of `--query`.
pub(crate) fn query(query: &Query, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return writeln!(out, "{:#}", query_object(query));
    }
    writeln!(
        out,
        "CONTEXT            ACCEPTED  ATTACHABLE  SHARED  OPTION"
    )?;
    for context in known() {
        row(&mut out, query, context)?;
    }
    for (option, name) in OPTIONS {
        let shown = format!("UNSHARE_{}", name.to_uppercase());
        let accepted = yes(query.options.contains(option));
        writeln!(out, "{shown:<19}{accepted:<10}-           -       -")?;
    }
    Ok(())
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// The answer of `--dry-run`, as JSON.
pub(crate) fn result(result: &Result<Contexts, Refusal>) -> io::Result<()> {
    let object = match result {
        Ok(replaced) => json!({ "replaced": names(*replaced) }),
        Err(refusal) => json!({ "refused": {
            "context": refusal.error.context.each().next().map(|context| context.to_string()),
            "errno": refusal.error.errno.raw_os_error(),
            "error": refusal.error.errno.to_string(),
            "advice": refusal.advice,
        }}),
    };
    writeln!(io::stdout(), "{object:#}")
}

/// All contexts, and last the one that has no sharers of its own: CLONE_EMPTY_MNTNS says how to make
/// the namespace that CLONE_NEWNS names.
fn known() -> impl Iterator<Item = Contexts> {
    let all = Contexts::all().iter_names().map(|(_, context)| context);
    let others = all.filter(|context| *context != Contexts::EMPTY_MNTNS);
    others.chain([Contexts::EMPTY_MNTNS])
}

fn names(contexts: Contexts) -> Vec<String> {
    contexts.each().map(|context| context.to_string()).collect()
}

fn query_object(query: &Query) -> Value {
    let context = |context: Contexts| {
        let shared = query.shared.contains(context);
        json!({
            "name": context.to_string(),
            "option": name(context).map(|name| format!("--{name}")),
            "accepted": query.contexts.contains(context),
            "attachable": query.attachable.contains(context),
            "shared": (context != Contexts::EMPTY_MNTNS).then_some(shared),
        })
    };
    json!({
        "contexts": known().map(context).collect::<Vec<_>>(),
        "options": OPTIONS
            .map(|(option, name)| (name, query.options.contains(option)))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    })
}

fn row(out: &mut impl Write, query: &Query, context: Contexts) -> io::Result<()> {
    let shared = match context {
        Contexts::EMPTY_MNTNS => "-",
        _ => yes(query.shared.contains(context)),
    };
    let shown = context.to_string();
    let accepted = yes(query.contexts.contains(context));
    let attachable = yes(query.attachable.contains(context));
    let option = name(context).map_or("-".to_owned(), |name| format!("--{name}"));
    writeln!(
        out,
        "{shown:<19}{accepted:<10}{attachable:<12}{shared:<8}{option}"
    )
}

// SPDX-License-Identifier: GPL-2.0-only

//! Checks that a call has changed what its result says.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Args, CLOSE_RANGE, COMMIT, DRY_RUN, LOCAL};
use crate::everything::{self, PROCESS, points};
use crate::oracle::Snapshot;

/// A call and its result.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) asked: Args,
    pub(crate) errno: Option<Errno>,
    /// Whether an allocation was made to fail.
    pub(crate) lacked: bool,
    /// Whether the target may have ended.
    pub(crate) late: bool,
    /// The struct after the call, if it can be read.
    pub(crate) args: Option<Args>,
}

/// The errnos that the manual names, without those of [`LACKED`]. EINTR is missing: an interrupted
/// task does not return.
const ERRNOS: [Errno; 10] = [
    Errno::PERM,
    Errno::TOOBIG,
    Errno::BADF,
    Errno::ACCESS,
    Errno::FAULT,
    Errno::BUSY,
    Errno::INVAL,
    Errno::MFILE,
    Errno::NOSPC,
    Errno::USERS,
];

/// The errnos that only a failed allocation causes.
const LACKED: [Errno; 6] = [
    Errno::AFNOSUPPORT,
    Errno::AGAIN,
    Errno::NOMEM,
    Errno::NOBUFS,
    Errno::NODEV,
    Errno::NFILE,
];

impl Answer {
    fn may_fail_with(&self, errno: Errno) -> bool {
        ERRNOS.contains(&errno)
            || self.lacked && LACKED.contains(&errno)
            || self.late && errno == Errno::SRCH
    }

    /// Whether the call is a request: one of the two commands, with a struct of at least the first
    /// size.
    fn is_of_request(&self) -> bool {
        const SIZE: u32 = 0x3fff << 16;
        [COMMIT, LOCAL]
            .iter()
            .any(|command| self.number & !SIZE == command & !SIZE)
            && self.number & SIZE >= COMMIT & SIZE
    }

    fn replaced(&self) -> Option<Contexts> {
        self.args
            .map(|args| Contexts::from_bits_retain(args.replaced))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = self.errno.map_or(0, Errno::raw_os_error);
        match self.args.filter(|_| self.is_of_request()) {
            Some(args) => write!(f, "{errno}:{:x}:{:x}", args.replaced, args.failed),
            None => write!(f, "{errno}"),
        }
    }
}

/// Checks that the caller and the sharer differ, before and after a call that ran alone, exactly as
/// the result says.
pub(crate) fn ensure_just(
    answer: &Answer,
    before: &[Snapshot; 2],
    after: &[Snapshot; 2],
) -> Result<()> {
    if !answer.is_of_request() {
        return Ok(());
    }
    if let Some(errno) = answer.errno {
        ensure!(
            answer.may_fail_with(errno),
            "the manual does not name {errno}"
        );
        // A bad pointer is the only fault that leaves the struct unwritten.
        let says_more = ![Errno::FAULT, Errno::BADF].contains(&errno);
        if let Some(args) = answer.args.filter(|_| says_more) {
            ensure!(args.replaced == 0 && args.failed.count_ones() <= 1);
        }
        before[0].ensure_same(&after[0])?;
        return before[1].ensure_same(&after[1]);
    }
    let changed = before[0].changed(&after[0]);
    let Some(replaced) = answer.replaced() else {
        return Ok(());
    };
    let asked = answer.asked;
    ensure_all(&asked, replaced, &before[0])?;
    let dry = asked.options & DRY_RUN != 0;
    let [mut due, possible] = explained(&asked, if dry { Contexts::empty() } else { replaced });
    // A structure that no other task used may be replaced without a visible change.
    due.retain(|point| !point.starts_with("kcmp/") || before[0].get(point).ok() == Some("same"));
    ensure!(
        changed.is_subset(&possible),
        "{changed:?} and not {possible:?}"
    );
    ensure!(due.is_subset(&changed), "{changed:?} and not {due:?}");
    // The sharer changes only in what it shares with the caller.
    let mut others = before[1].changed(&after[1]);
    others.retain(|point| !point.starts_with("kcmp/"));
    ensure!(others.is_empty(), "the sharer's {others:?}");
    Ok(())
}

/// Checks that no requested or implied context is still shared. An attached one may be the same as
/// before.
fn ensure_all(asked: &Args, replaced: Contexts, before: &Snapshot) -> Result<()> {
    if asked.attach != 0 {
        return Ok(());
    }
    let shared = [
        (Contexts::FS, "kcmp/fs"),
        (Contexts::FILES, "kcmp/files"),
        (Contexts::VM, "kcmp/vm"),
        (Contexts::SIGHAND, "kcmp/sighand"),
    ]
    .into_iter()
    .filter(|(_, point)| before.get(point).ok() == Some("same"))
    .map(|(context, _)| context)
    .collect();
    let left = everything::replaced(shared, Contexts::from_bits_retain(asked.unshare)) - replaced;
    ensure!(left.is_empty(), "{left} is still shared");
    Ok(())
}

/// Returns the points in which the caller of that request must differ, and those in which it may.
fn explained(asked: &Args, replaced: Contexts) -> [BTreeSet<String>; 2] {
    let attached = Contexts::from_bits_retain(asked.attach);
    let shown = replaced.difference(Contexts::EMPTY_MNTNS);
    // A new undo list looks like no list, and an attached context may be the same as before.
    let due = match attached.is_empty() {
        true => points(shown.difference(Contexts::SYSVSEM)),
        false => points(shown & PROCESS.difference(Contexts::FS | Contexts::SYSVSEM)),
    };
    let mut possible = points(shown);
    let mut add = |points: &[&str]| possible.extend(points.iter().map(ToString::to_string));
    if asked.options & (CLOSE_RANGE | DRY_RUN) == CLOSE_RANGE {
        add(&["fd"]);
    }
    if replaced.contains(Contexts::USER) {
        add(&["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]);
    }
    if replaced.contains(Contexts::IPC) {
        add(&["kcmp/sysvsem"]);
    }
    if replaced.contains(Contexts::TIME) && attached.contains(Contexts::TIME) {
        add(&["ns/time"]);
    }
    if attached.intersects(Contexts::FS | Contexts::MOUNT) && !replaced.is_empty() {
        add(&["root", "cwd"]);
    }
    [due, possible]
}

// SPDX-License-Identifier: GPL-2.0-only

//! Whether what a call has changed is what it said.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, ensure};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::device::{Args, CLOSE_RANGE, COMMIT, DRY_RUN, LOCAL};
use crate::everything::{self, PROCESS, points};
use crate::oracle::Snapshot;

/// A call, and what came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) asked: Args,
    pub(crate) errno: Option<Errno>,
    /// Something that it asked the kernel for was made to fail.
    pub(crate) lacked: bool,
    /// The task behind the pidfd may have ended.
    pub(crate) late: bool,
    /// What lay at the pointer afterwards, where anybody can tell.
    pub(crate) args: Option<Args>,
}

/// The errnos of the module, as the header, the README and the manuals of the two syscalls have them. Not
/// EINTR: who is interrupted does not come back.
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

/// Those of who could not get something, and of no one else.
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

    /// Whether it is one that a request gets: of one of the two commands that are, with a struct of
    /// that size at least.
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

/// The caller and the sharer, before and after a call that nobody else's came in between, differ as the
/// answer says.
pub(crate) fn ensure_just(
    answer: &Answer,
    before: &[Snapshot; 2],
    after: &[Snapshot; 2],
) -> Result<()> {
    if !answer.is_of_request() {
        return Ok(());
    }
    if let Some(errno) = answer.errno {
        ensure!(answer.may_fail_with(errno), "nobody tells of {errno}");
        // A bad pointer is told by nothing else.
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
    // A structure can be another one without that anybody else has had it.
    due.retain(|point| !point.starts_with("kcmp/") || before[0].get(point).ok() == Some("same"));
    ensure!(
        changed.is_subset(&possible),
        "{changed:?} and not {possible:?}"
    );
    ensure!(due.is_subset(&changed), "{changed:?} and not {due:?}");
    // Of the sharer nothing changes but what it shares with the caller.
    let mut others = before[1].changed(&after[1]);
    others.retain(|point| !point.starts_with("kcmp/"));
    ensure!(others.is_empty(), "the sharer's {others:?}");
    Ok(())
}

/// Nothing is left shared that was asked for, or is implied. What is attached may be what the caller had.
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

/// The points in which who has made that request differs, and those in which it may.
fn explained(asked: &Args, replaced: Contexts) -> [BTreeSet<String>; 2] {
    let attached = Contexts::from_bits_retain(asked.attach);
    let shown = replaced.difference(Contexts::EMPTY_MNTNS);
    // An undo list of one's own looks like none of one's own; and what was attached may be the same.
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

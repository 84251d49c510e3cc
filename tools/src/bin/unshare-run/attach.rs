// SPDX-License-Identifier: GPL-2.0-only

use std::str::FromStr;

use anyhow::{Error, Result, bail};
use rustix::process::Pid;
use unshare_device::{Contexts, Query};
use unshare_tools::{Target, parse_pid};

use crate::names::{ATTACHABLE, name};

/// The value of --attach: whom to attach to, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attach {
    pub(crate) pid: Pid,
    /// Whether in all namespaces that the caller is not in already.
    pub(crate) all: bool,
    /// In these, wherever the caller is.
    pub(crate) named: Contexts,
}

impl Attach {
    /// What to attach to on this kernel.
    pub(crate) fn contexts(&self, target: &Target, query: &Query) -> Result<Contexts> {
        match self.all {
            true => Ok(self.named | target.other_namespaces(query.attachable)?),
            false => Ok(self.named),
        }
    }
}

impl FromStr for Attach {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (pid, kinds) = text.split_once(':').unwrap_or((text, "all"));
        let mut attach = Self {
            pid: parse_pid(pid)?,
            all: false,
            named: Contexts::empty(),
        };
        for word in kinds.split(',') {
            match ATTACHABLE.each().find(|kind| name(*kind) == Some(word)) {
                Some(kind) => attach.named |= kind,
                None if word == "all" => attach.all = true,
                None => {
                    let known: Vec<_> = ATTACHABLE.each().filter_map(name).collect();
                    bail!("{word:?} is none of all, {}", known.join(", "));
                }
            }
        }
        Ok(attach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(i32, bool, Contexts)> {
        let attach: Attach = text.parse().ok()?;
        let pid = attach.pid.as_raw_nonzero().get();
        Some((pid, attach.all, attach.named))
    }

    #[test]
    fn a_pid_alone_is_for_all_namespaces() {
        let all = Some((42, true, Contexts::empty()));
        assert_eq!(parse("42"), all);
        assert_eq!(parse("42:all"), all);
        assert_eq!(parse("42:fs,all"), Some((42, true, Contexts::FS)));
    }

    #[test]
    fn kinds_are_called_as_the_options_are() {
        let kinds = "42:fs,mount,uts,ipc,net,pid,user,cgroup,time";
        assert_eq!(parse(kinds), Some((42, false, ATTACHABLE)));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "", "0", "-1", "self", ":net", "42:", "42:net,", "42:files", "42:mnt", "42:net ",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

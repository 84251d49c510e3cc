// SPDX-License-Identifier: GPL-2.0-only

mod range;
mod subordinate;

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, getegid, geteuid, getuid};
use unshare_tools::Target;

pub(crate) use range::{Range, Source};

use crate::options::{IdOptions, Setgroups};
use crate::own::OwnFiles;

/// What the ids of the new user namespace are outside of it.
#[derive(Debug)]
pub(crate) struct Maps {
    users: Vec<Range>,
    groups: Vec<Range>,
    setgroups: Option<Setgroups>,
    /// Nothing but the caller's own user and group: then the task itself may write the maps.
    alone: bool,
}

impl Maps {
    /// The maps that the options describe. `target` is there if its user namespace is to be the
    /// parent of the new one.
    pub(crate) fn new(options: &IdOptions, target: Option<&Target>) -> Result<Self> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let own = |named: Option<u32>, current: u32| {
            let root = options.map_root_user.then_some(0);
            let same = options.map_current_user.then_some(current);
            named.or(root).or(same)
        };
        let user = own(options.map_user.map(|user| user.0), uid);
        let group = own(options.map_group.map(|group| group.0), gid);
        let user = user.map(|inner| Range::one(inner, outside(target, "uid_map", uid)));
        let group = group.map(|inner| Range::one(inner, outside(target, "gid_map", gid)));

        let users = sources(options, &options.map_users);
        let groups = sources(options, &options.map_groups);
        let alone = users.is_empty() && groups.is_empty();
        ensure!(
            alone || target.is_none(),
            "below another task's user namespace, only the caller's own user and group can be mapped"
        );
        let setgroups = options
            .setgroups
            .or((alone && group.is_some()).then_some(Setgroups::Deny));
        if alone && group.is_some() && setgroups == Some(Setgroups::Allow) {
            bail!(
                "--setgroups=allow: the kernel denies it where the caller's group alone is mapped"
            );
        }
        let caller = getuid().as_raw();
        Ok(Self {
            users: range::join(user, subordinate::expand(&users, "uid", caller)?),
            groups: range::join(group, subordinate::expand(&groups, "gid", caller)?),
            setgroups,
            alone,
        })
    }

    /// Whether the task itself may write them.
    pub(crate) fn are_alone(&self) -> bool {
        self.alone
    }

    /// Writes the maps of this task's new user namespace.
    pub(crate) fn write(&self, own: &OwnFiles) -> Result<()> {
        for (name, text) in self.files() {
            own.write(name, &text)?;
        }
        Ok(())
    }

    /// Writes the maps of another process's user namespace, or has newuidmap(1) and newgidmap(1)
    /// write them.
    pub(crate) fn write_for(&self, pid: Pid) -> Result<()> {
        let pid = pid.as_raw_nonzero();
        for (name, text) in self.files() {
            let path = format!("/proc/{pid}/{name}");
            match fs::write(&path, &text) {
                Err(error)
                    if error.kind() == ErrorKind::PermissionDenied && name != "setgroups" =>
                {
                    privileged_write(&format!("new{}", name.replace('_', "")), pid.get(), &text)?;
                }
                result => result.with_context(|| format!("{path}: cannot write {text:?}"))?,
            }
        }
        Ok(())
    }

    /// Names of files under /proc/PID, and what to write to each. Before gid_map: without privilege
    /// outside, the kernel requires that setgroups(2) is denied first.
    fn files(&self) -> Vec<(&'static str, String)> {
        let setgroups = self.setgroups.map(|control| match control {
            Setgroups::Allow => ("setgroups", "allow".to_owned()),
            Setgroups::Deny => ("setgroups", "deny".to_owned()),
        });
        let maps = [("uid_map", &self.users), ("gid_map", &self.groups)].into_iter();
        let maps = maps.filter(|(_, ranges)| !ranges.is_empty());
        let maps = maps.map(|(name, ranges)| (name, range::lines(ranges)));
        setgroups.into_iter().chain(maps).collect()
    }
}

fn sources(options: &IdOptions, named: &[Source]) -> Vec<Source> {
    let auto = options.map_auto.then_some(Source::Auto);
    let subids = options.map_subids.then_some(Source::Subids);
    named.iter().copied().chain(auto).chain(subids).collect()
}

/// The number of `id` in the user namespace that is to be the new one's parent.
fn outside(target: Option<&Target>, map: &str, id: u32) -> u32 {
    // To a reader elsewhere, the map says what the ids are at the reader's.
    let map = target.and_then(|target| target.read(map).ok());
    map.map_or(id, |map| range::translate(&map, id))
}

fn privileged_write(program: &str, pid: i32, text: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(pid.to_string()).args(text.split_whitespace());
    let status = command.status().with_context(|| {
        format!("the caller may not map these ids itself, and {program}(1) does not run")
    })?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

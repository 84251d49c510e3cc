// SPDX-License-Identifier: GPL-2.0-only

use clap::{Args, ValueEnum};

use crate::accounts::{GroupName, UserName};
use crate::maps::Source;

#[derive(Args, Debug)]
#[command(next_help_heading = "Users and groups")]
pub(crate) struct IdOptions {
    /// Be this user in the new user namespace; implies --user
    #[arg(long, value_name = "UID|NAME")]
    pub(crate) map_user: Option<UserName>,

    /// Be this group in the new user namespace; implies --user
    #[arg(long, value_name = "GID|NAME")]
    pub(crate) map_group: Option<GroupName>,

    /// Be root in the new user namespace; implies --user
    ///
    /// As --map-user=0 --map-group=0.
    #[arg(short = 'r', long, conflicts_with = "map_current_user")]
    pub(crate) map_root_user: bool,

    /// Have the same user and group in the new user namespace; implies --user
    #[arg(short = 'c', long)]
    pub(crate) map_current_user: bool,

    /// Map the caller's first ranges of subordinate ids; implies --user
    ///
    /// As --map-users=auto --map-groups=auto.
    #[arg(long, conflicts_with = "map_subids")]
    pub(crate) map_auto: bool,

    /// Map the caller's subordinate ids to themselves; implies --user
    ///
    /// As --map-users=subids --map-groups=subids.
    #[arg(long)]
    pub(crate) map_subids: bool,

    /// Map COUNT users from OUTER on to INNER on; implies --user
    ///
    /// Once for each range. Or one of the words auto (the caller's first range of subordinate
    /// ids, from 0 on), subids (all of the caller's subordinate ids, to themselves), and all (all ids of
    /// the caller's user namespace, to themselves). What the kernel does not let the caller write,
    /// newuidmap(1) and newgidmap(1) write.
    #[arg(long, value_name = "INNER:OUTER:COUNT|WORD")]
    pub(crate) map_users: Vec<Source>,

    /// Map COUNT groups from OUTER on to INNER on; implies --user
    #[arg(long, value_name = "INNER:OUTER:COUNT|WORD")]
    pub(crate) map_groups: Vec<Source>,

    /// Whether setgroups(2) works in the new user namespace
    ///
    /// By default, it is denied where the caller's group is mapped and the caller has no privilege.
    #[arg(long, value_name = "CONTROL")]
    pub(crate) setgroups: Option<Setgroups>,

    /// Have this user own the new user namespace; implies --user
    ///
    /// For root: the owner may enter the namespace, with every capability.
    #[arg(long, value_name = "UID:GID", value_parser = parse_owner)]
    pub(crate) owner: Option<(u32, u32)>,

    /// Run the command as this user; with --attach, follow means the user of PID
    #[arg(short = 'S', long, value_name = "UID")]
    pub(crate) setuid: Option<Id>,

    /// Run the command as this group, in no other; with --attach, follow means the group of PID
    #[arg(short = 'G', long, value_name = "GID")]
    pub(crate) setgid: Option<Id>,

    /// Keep the capabilities in the user namespace, whoever the command runs as
    #[arg(long)]
    pub(crate) keep_caps: bool,
}

/// The value of --setgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setgroups {
    /// It works
    Allow,
    /// It is EPERM
    Deny,
}

/// The value of --setuid and --setgid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    Number(u32),
    Follow,
}

impl IdOptions {
    pub(super) fn implies_user(&self) -> bool {
        self.names_ids() || self.owner.is_some()
    }

    /// Whether there is something to write to the files of the user namespace.
    pub(crate) fn maps(&self) -> bool {
        self.names_ids() || self.setgroups.is_some()
    }

    fn names_ids(&self) -> bool {
        self.map_user.is_some()
            || self.map_group.is_some()
            || self.map_root_user
            || self.map_current_user
            || self.map_auto
            || self.map_subids
            || !self.map_users.is_empty()
            || !self.map_groups.is_empty()
    }
}

impl std::str::FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("follow", _) => Ok(Self::Follow),
            (_, Ok(number)) if number != u32::MAX => Ok(Self::Number(number)),
            _ => Err("neither a number nor the word follow"),
        }
    }
}

fn parse_owner(text: &str) -> Result<(u32, u32), &'static str> {
    let numbers = text
        .split_once(':')
        .map(|(uid, gid)| (uid.parse(), gid.parse()));
    match numbers {
        Some((Ok(uid), Ok(gid))) => Ok((uid, gid)),
        _ => Err("not UID:GID"),
    }
}

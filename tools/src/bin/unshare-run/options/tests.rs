// SPDX-License-Identifier: GPL-2.0-only

use clap::CommandFactory;

use super::*;
use crate::attach::Attach;

fn contexts(arguments: &[&str]) -> Contexts {
    let all = ["unshare-run"].iter().chain(arguments);
    Options::try_parse_from(all).map_or(Contexts::empty(), |options| options.unshared())
}

#[test]
fn the_options_are_consistent() {
    Options::command().debug_assert();
}

#[test]
fn short_options_are_those_of_unshare_1() {
    let all = contexts(&["-muinpUCT"]);
    assert_eq!(all, Contexts::NAMESPACES - Contexts::EMPTY_MNTNS);
}

#[test]
fn options_imply_what_they_need() {
    assert_eq!(contexts(&["-r"]), Contexts::USER);
    assert_eq!(contexts(&["--mount-proc"]), Contexts::MOUNT);
    assert_eq!(contexts(&["--close-from", "3"]), Contexts::FILES);
    let empty = Contexts::MOUNT | Contexts::EMPTY_MNTNS;
    assert_eq!(contexts(&["--empty-mount"]), empty);
}

#[test]
fn memory_and_handlers_are_named_one_by_one() {
    assert_eq!(contexts(&["--vm"]), Contexts::VM);
    assert_eq!(contexts(&["--sighand"]), Contexts::SIGHAND);
    let both = Contexts::VM | Contexts::SIGHAND;
    assert_eq!(contexts(&["--vm", "--sighand", "--dry-run"]), both);
}

#[test]
fn the_command_keeps_its_options() {
    let line = ["unshare-run", "-m", "ls", "-u", "--fork"];
    let Ok(options) = Options::try_parse_from(line) else {
        panic!("{line:?} was refused");
    };
    assert_eq!(options.unshared(), Contexts::MOUNT);
    assert_eq!(options.command, ["ls", "-u", "--fork"]);
    assert!(!options.forks(Contexts::empty()));
}

#[test]
fn an_unknown_option_is_no_command() {
    assert!(Options::try_parse_from(["unshare-run", "--bad"]).is_err());
    assert!(Options::try_parse_from(["unshare-run", "--", "--good"]).is_ok());
}

#[test]
fn mount_proc_takes_its_directory_after_an_equals_sign_alone() {
    let line = ["unshare-run", "--mount-proc", "ls"];
    let Ok(options) = Options::try_parse_from(line) else {
        panic!("{line:?} was refused");
    };
    assert_eq!(options.how.mount_proc, Some("/proc".into()));
    assert_eq!(options.command, ["ls"]);
}

fn attach(arguments: &[&str]) -> Option<Attach> {
    let all = ["unshare-run"].iter().chain(arguments);
    Options::try_parse_from(all).ok()?.attach.attach()
}

#[test]
fn what_is_attached_is_not_unshared() {
    let line = ["--attach", "42:net,user", "--net", "--uts"];
    let both = attach(&line).map(|attach| attach.named);
    assert_eq!(both, Some(Contexts::NET | Contexts::USER));
    assert_eq!(contexts(&line), Contexts::NET | Contexts::UTS);
}

#[test]
fn the_root_directory_of_a_task_is_its_fs() {
    let with_fs = attach(&["--attach", "42:mount", "--root", "--wd"]);
    assert_eq!(with_fs, attach(&["-t", "42:fs,mount"]));
    let all = attach(&["--target=42", "--root"]);
    assert_eq!(all, attach(&["-t42:all,fs"]));
    assert_eq!(attach(&["-t42", "--root=/", "--wd"]), attach(&["-t42"]));
    assert_eq!(attach(&["-t42:net", "--all"]), attach(&["-t42:net,all"]));
}

#[test]
fn directories_take_an_equals_sign_or_a_short_option() {
    for line in [["--root=/r", "--wd=/w"], ["-R/r", "-w/w"]] {
        let all = ["unshare-run"].iter().chain(&line);
        let options = Options::try_parse_from(all).map(|options| options.attach);
        let Ok(options) = options else {
            panic!("{line:?} was refused");
        };
        assert_eq!(options.root(), Some(&"/r".into()));
        assert_eq!(options.wd(), Some(&"/w".into()));
    }
}

#[test]
fn files_follow_an_equals_sign() {
    let line = ["unshare-run", "-n=/run/net", "--uts=/run/uts", "-im", "id"];
    let Ok(options) = Options::try_parse_from(line) else {
        panic!("{line:?} was refused");
    };
    let files = [("ns/uts", "/run/uts".into()), ("ns/net", "/run/net".into())];
    assert_eq!(options.contexts.files(), files);
    let expected = Contexts::NET | Contexts::UTS | Contexts::IPC | Contexts::MOUNT;
    assert_eq!(options.unshared(), expected);
    assert_eq!(options.command, ["id"]);
}

#[test]
fn what_is_about_another_task_needs_one() {
    for option in ["--preserve-credentials", "--no-fork"] {
        assert!(attach(&["-t42", option]).is_some(), "{option}");
        assert!(
            Options::try_parse_from(["unshare-run", option]).is_err(),
            "{option}"
        );
    }
    let options = Options::try_parse_from(["unshare-run", "--wd"]);
    let lacks = options.ok().and_then(|options| options.attach.lacks_task());
    assert_eq!(lacks, Some("--wd"));
    assert_eq!(attach(&["-t42", "--fork", "--no-fork"]), None);
}

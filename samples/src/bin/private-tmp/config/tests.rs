// SPDX-License-Identifier: GPL-2.0-only

use rustix::process::{Gid, Uid};

use super::*;

fn one(line: &str) -> Entry {
    match parse(line) {
        Ok(mut entries) if entries.len() == 1 => entries.remove(0),
        other => panic!("{line}: {other:?}"),
    }
}

fn alice() -> Account {
    Account {
        name: "alice".to_owned(),
        uid: Uid::from_raw(1000),
        gid: Gid::from_raw(1000),
        groups: vec![],
        home: "/home/alice".into(),
        shell: "/bin/sh".into(),
    }
}

#[test]
fn the_default_is_for_everybody_but_root() -> Result<()> {
    let entries = parse(DEFAULT)?;
    let names: Vec<_> = entries.iter().map(|entry| &*entry.directory).collect();
    assert_eq!(names, ["/tmp", "/var/tmp"]);
    for entry in entries {
        assert!(entry.is_for("alice") && !entry.is_for("root"));
        assert_eq!(entry.method, Method::User);
    }
    Ok(())
}

#[test]
fn comments_blanks_quotes_and_escapes() -> Result<()> {
    let text = "# a comment\n\n  \t\n/tmp /i/ user # and one more\n'/a b' /c\\ d/ user\n";
    let entries = parse(text)?;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].directory, "/a b");
    assert_eq!(entries[1].prefix, "/c d/");
    Ok(())
}

#[test]
fn users_are_excepted_or_meant() {
    let entry = one("/tmp /i/ user root,adm");
    assert!(!entry.is_for("adm") && entry.is_for("alice"));
    let entry = one("/tmp /i/ user ~alice,bob");
    assert!(entry.is_for("bob") && !entry.is_for("root"));
    let entry = one("/tmp /i/ user");
    assert!(entry.is_for("root"));
    let entry = one("/tmp /i/ user ~");
    assert!(!entry.is_for("root"));
}

#[test]
fn home_and_user_are_the_user_s() {
    let entry = one("$HOME/tmp $HOME/$USER.inst/ user");
    assert_eq!(entry.directory(&alice()), Path::new("/home/alice/tmp"));
    assert_eq!(entry.prefix(&alice()), "/home/alice/alice.inst/");
}

#[test]
fn flags() {
    let entry = one("/t x tmpfs:mntopts=size=1M,noexec:create=1777,root,staff:noinit:shared");
    assert_eq!(entry.method, Method::Tmpfs);
    let expected = Flags {
        create: Some(Create {
            mode: 0o1777,
            owner: Some("root".to_owned()),
            group: Some("staff".to_owned()),
        }),
        mount_options: "size=1M,noexec".to_owned(),
        script: Script::None,
        shared: true,
    };
    assert_eq!(entry.flags, expected);

    let entry = one("/t /i/ tmpdir:create:iscript=mine");
    assert_eq!(entry.flags.create.map(|create| create.mode), Some(0o755));
    assert_eq!(entry.flags.script, Script::Named("mine".into()));
}

#[test]
fn mistakes_are_refused_with_their_line() {
    for line in [
        "/tmp",
        "/tmp /i/",
        "/tmp /i/ usr",
        "/tmp /i/ user:what",
        "/tmp /i/ user:create=999",
        "/tmp /i/ user:create=17777",
        "/tmp /i/ user:iscript",
        "/tmp /i/ user root extra",
        "tmp /i/ user",
        "/tmp i/ user",
        "/tmp '/i/ user",
    ] {
        match parse(&format!("\n{line}")) {
            Ok(entries) => panic!("{line}: {entries:?}"),
            Err(error) => assert!(format!("{error:#}").starts_with("line 2"), "{error:#}"),
        }
    }
}

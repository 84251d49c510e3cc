// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWNET`: network devices, addresses, routes, and abstract socket names.

use std::fs;
use std::net::UdpSocket;

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::{listen, reaches};
use crate::world::World;

const NET: Contexts = Contexts::NET;

pub(crate) fn suite() -> Suite {
    Suite::new("net")
        .test(
            "the new network has a loopback device and no other",
            loopback,
        )
        .test(
            "the caller does not reach other tasks' abstract sockets",
            abstract_names,
        )
        .test("a port that other tasks use is free", ports)
        .test("an open socket stays in the old network", open_socket)
}

fn loopback() -> Result<()> {
    World::alone()?.replaces(unshare(NET), NET, &["ns/net"])?;
    let table = fs::read_to_string("/proc/self/net/dev")?;
    let devices: Vec<_> = table
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    ensure!(devices == ["lo"], "{devices:?}");
    Ok(())
}

fn abstract_names() -> Result<()> {
    let world = World::here(Contexts::empty())?;
    let name = format!("unshare-tests-{}", std::process::id());
    world.witness.ask(listen, &name)?;
    ensure!(reaches(&name)?);
    world.replaces(unshare(NET), NET, &["ns/net"])?;
    ensure!(!reaches(&name)?);
    Ok(())
}

fn ports() -> Result<()> {
    let world = World::alone()?;
    let taken = UdpSocket::bind("0.0.0.0:0")?;
    let address = taken.local_addr()?;
    ensure!(UdpSocket::bind(address).is_err());
    world.replaces(unshare(NET), NET, &["ns/net"])?;
    UdpSocket::bind(address)?;
    Ok(())
}

fn open_socket() -> Result<()> {
    let world = World::alone()?;
    let name = format!("unshare-tests-old-{}", std::process::id());
    listen(&name)?;
    world.replaces(unshare(NET), NET, &["ns/net"])?;
    ensure!(!reaches(&name)?, "the socket came along");
    ensure!(world.witness.ask(reached, &name)? == "true");
    Ok(())
}

fn reached(name: &str) -> Result<String> {
    Ok(reaches(name)?.to_string())
}

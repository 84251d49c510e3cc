// SPDX-License-Identifier: GPL-2.0-only

//! A kernel as distributions harden it, which takes modules that are signed, and watches what they do.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::module::{Unloaded, image, is_loaded, load, load_image};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("hardening")
        .sealed("the kernel runs at a random address", moved)
        .sealed("the kernel has verified the module's signature", known)
        .sealed(
            "the module's indirect calls and their targets are checked",
            watched,
        )
        // From here on, one after the other: there is no way back.
        .sealed(
            "under lockdown, an unsigned module does not load, and the log says why",
            locked,
        )
        .sealed(
            "a module that was changed after signing does not load",
            changed,
        )
        .sealed(
            "with enforced signatures, a module that was changed does not load",
            enforced,
        )
        .sealed(
            "under confidentiality lockdown, requests work",
            confidential,
        )
}

/// By the flag that is set by who chose the place, whatever place that is.
fn moved() -> Result<()> {
    const LOADFLAGS: usize = 0x211;
    const KASLR_FLAG: u8 = 1 << 1;
    let parameters = fs::read("/sys/kernel/boot_params/data")?;
    let flags = parameters.get(LOADFLAGS).context("no loadflags")?;
    ensure!(flags & KASLR_FLAG != 0, "loadflags are {flags:#x}");
    Ok(())
}

/// Out of the kernel's tree, and nothing else is wrong with it.
fn known() -> Result<()> {
    let taint = fs::read_to_string("/sys/module/unshare/taint")?;
    ensure!(taint.trim() == "O", "tainted {taint}");
    Ok(())
}

/// What the kernel patches as it loads a module, so that each indirect call is checked, and each function
/// that is none's target cannot be made one.
fn watched() -> Result<()> {
    for section in [".cfi_sites", ".ibt_endbr_seal", ".retpoline_sites"] {
        let path = Path::new("/sys/module/unshare/sections").join(section);
        ensure!(path.exists(), "no {section}");
    }
    Ok(())
}

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

fn locked() -> Result<()> {
    let state = fs::read_to_string(LOCKDOWN)?;
    ensure!(state.contains("[integrity]"), "{state}");
    let said = "unsigned module loading is restricted; see man kernel_lockdown.7";
    refused(&unsigned()?, Errno::PERM, said)?;
    refused(&signed_by_another()?, Errno::PERM, said)
}

fn changed() -> Result<()> {
    let mut image = image("unshare")?;
    let byte = image.get_mut(0x1000).context("a small module")?;
    *byte = !*byte;
    refused(&image, Errno::KEYREJECTED, "")
}

fn enforced() -> Result<()> {
    fs::write("/sys/module/module/parameters/sig_enforce", "1")?;
    let said = "Loading of unsigned module is rejected";
    refused(&unsigned()?, Errno::KEYREJECTED, said)?;
    let said = "Loading of module with unavailable key is rejected";
    refused(&signed_by_another()?, Errno::KEYREJECTED, said)?;
    let _back = Unloaded::new()?;
    load("unshare", "")?.context("finit_module")
}

/// Users have no kprobes there. Ours is the module's, and hits nothing.
fn confidential() -> Result<()> {
    let before = Device::open()?.query()?;
    fs::write(LOCKDOWN, "confidentiality")?;
    let state = fs::read_to_string(LOCKDOWN)?;
    ensure!(state.contains("[confidentiality]"), "{state}");
    let _back = Unloaded::new()?;
    load("unshare", "")?.context("finit_module")?;
    let after = Device::open()?.query()?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    World::sharing(Contexts::FS)?.replaces(unshare(Contexts::FS), Contexts::FS, &["kcmp/fs"])
}

/// The kernel does not load this, and says `said`, if anything.
fn refused(image: &[u8], errno: Errno, said: &str) -> Result<()> {
    let _back = Unloaded::new()?;
    let mut log = KernelLog::from_now()?;
    let loaded = load_image(image);
    let lines = log.lines()?;
    ensure!(loaded == Err(errno) && !is_loaded(), "{loaded:?}");
    let lines = lines.join("\n");
    ensure!(
        lines.contains(said) && lines.is_empty() == said.is_empty(),
        "the kernel logged {lines:?}"
    );
    Ok(())
}

/// What stands at the end of a module that is signed.
const MARKER: &[u8] = b"~Module signature appended~\n";
/// What is before that says how long the signature is before it, in its last four bytes.
const INFORMATION: usize = 12;

/// The module and its signature, with what follows that.
fn parts() -> Result<(Vec<u8>, Vec<u8>)> {
    let mut module = image("unshare")?;
    let rest = module.strip_suffix(MARKER).context("not signed")?;
    let len = rest.last_chunk().context("no length")?;
    let len: usize = u32::from_be_bytes(*len).try_into()?;
    let end = rest.len().checked_sub(INFORMATION + len);
    let signature = module.split_off(end.context("no signature")?);
    Ok((module, signature))
}

fn unsigned() -> Result<Vec<u8>> {
    Ok(parts()?.0)
}

/// As somebody signs it whose key the kernel does not know: the signature names another one.
fn signed_by_another() -> Result<Vec<u8>> {
    const NAME: &[u8] = b"autogenerated kernel key";
    let (mut module, mut signature) = parts()?;
    let mut names = signature.windows(NAME.len());
    let name = names.position(|bytes| bytes == NAME);
    signature[name.context("the key's name is another")?] = b'A';
    module.append(&mut signature);
    Ok(module)
}

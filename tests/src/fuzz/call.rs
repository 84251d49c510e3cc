// SPDX-License-Identifier: GPL-2.0-only

//! One ioctl of an input.

use arbitrary::{Result, Unstructured};
use unshare_device::Contexts;

use super::ground::Place;
use crate::device::{Args, CLOSE_RANGE, COMMIT, DRY_RUN, LOCAL, QUERY};

/// The descriptor that the call passes as a pidfd.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pidfd {
    Target,
    Own,
    Device,
    Number(i32),
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) pidfd: Pidfd,
    pub(crate) place: Place,
    args: Args,
    /// Changed bytes at the pointer: an offset, and what is added there.
    patches: Vec<(u8, u8)>,
}

/// How many bytes a call puts at its pointer: the struct, and as many again for fields of a later
/// version.
const ROOM: usize = 2 * size_of::<Args>();

impl Call {
    pub(crate) fn decode(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let number = number(bytes)?;
        let place = match bytes.arbitrary::<u8>()? {
            0xf0..=0xf2 => Place::ReadOnly,
            0xf3..=0xf5 => Place::Hole,
            0xf6..=0xf7 => Place::Null,
            0xf8..=0xf9 => Place::Kernel,
            0xe8..=0xef => Place::Unaligned,
            _ => Place::Plain,
        };
        let unshare = contexts(bytes)?;
        let attach = match bytes.arbitrary::<u8>()? {
            0..0x80 => 0,
            _ => contexts(bytes)?,
        };
        let pidfd = match bytes.arbitrary::<u8>()? {
            _ if attach == 0 => Pidfd::Number(0),
            0..0xe0 => Pidfd::Target,
            0xe0..0xf0 => Pidfd::Own,
            0xf0..0xf4 => Pidfd::Device,
            _ => Pidfd::Number(bytes.arbitrary()?),
        };
        let options = match bytes.arbitrary::<u8>()? {
            0xff => bytes.arbitrary()?,
            options => u32::from(options) & (DRY_RUN | CLOSE_RANGE),
        };
        let (close_first, close_last) = match options & CLOSE_RANGE {
            0 => (0, 0),
            _ => (descriptor(bytes)?, descriptor(bytes)?),
        };
        let mut patches = Vec::new();
        while bytes.arbitrary::<u8>()? >= 0xf0 && patches.len() < 8 {
            patches.push(bytes.arbitrary()?);
        }
        Ok(Self {
            number,
            pidfd,
            place,
            args: Args {
                unshare,
                attach,
                options,
                close_first,
                close_last,
                // Not zero, so that a missing write shows.
                replaced: u64::MAX,
                failed: u64::MAX,
                ..Args::default()
            },
            patches,
        })
    }

    /// Returns the bytes at the pointer, with `pidfd` in them, and the struct that they begin with.
    pub(crate) fn bytes(&self, pidfd: i32) -> ([u8; ROOM], Args) {
        let mut all = [0_u8; ROOM];
        let start = all.as_mut_ptr().cast::<Args>();
        // SAFETY: The struct has integers without padding, and there is room for it.
        unsafe { start.write_unaligned(Args { pidfd, ..self.args }) };
        for &(at, change) in &self.patches {
            let byte = &mut all[usize::from(at) % ROOM];
            *byte = byte.wrapping_add(change);
        }
        // SAFETY: As above; any bytes are a valid value.
        let args = unsafe { all.as_ptr().cast::<Args>().read_unaligned() };
        (all, args)
    }
}

/// An ioctl's number: mostly one of the device's, sometimes with another size in it.
fn number(bytes: &mut Unstructured<'_>) -> Result<u32> {
    const SIZE: u32 = 0x3fff << 16;
    let number = match bytes.arbitrary::<u8>()? {
        0..0xc0 => COMMIT,
        0xc0..0xe0 => LOCAL,
        0xe0..0xf8 => QUERY,
        _ => bytes.arbitrary()?,
    };
    Ok(match bytes.arbitrary::<u8>()? {
        0..0xe0 => number,
        0xe0..0xf0 => number & !SIZE | u32::from(bytes.arbitrary::<u8>()?) << 16,
        _ => number & !SIZE | u32::from(bytes.arbitrary::<u16>()?) << 16 & SIZE,
    })
}

/// Some of the contexts, sometimes with any other bits.
fn contexts(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let named = choose(bytes, Contexts::all())?.bits();
    Ok(match bytes.arbitrary::<u8>()? {
        0..0xf8 => named,
        _ => named ^ bytes.arbitrary::<u64>()?,
    })
}

/// Up to three named contexts, sometimes any of them.
pub(crate) fn choose(bytes: &mut Unstructured<'_>, of: Contexts) -> Result<Contexts> {
    let of: Vec<_> = of.iter_names().map(|(_, context)| context).collect();
    match bytes.arbitrary::<u8>()? {
        count @ 0..0xe0 => (0..count % 4)
            .map(|_| Ok(of[usize::from(bytes.arbitrary::<u8>()?) % of.len()]))
            .collect(),
        _ => {
            let chosen: u16 = bytes.arbitrary()?;
            let places = of.into_iter().enumerate();
            let chosen = places.filter(|(place, _)| chosen >> place & 1 != 0);
            Ok(chosen.map(|(_, context)| context).collect())
        }
    }
}

/// The number of a descriptor, often one at a boundary.
fn descriptor(bytes: &mut Unstructured<'_>) -> Result<u32> {
    const MARKS: [u32; 8] = [63, 64, 127, 128, 255, 256, 1023, u32::MAX];
    Ok(match bytes.arbitrary::<u8>()? {
        low @ 0..0xc0 => u32::from(low) / 4,
        mark @ 0xc0..0xf0 => MARKS[usize::from(mark) % MARKS.len()],
        _ => bytes.arbitrary()?,
    })
}

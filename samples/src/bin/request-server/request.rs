// SPDX-License-Identifier: GPL-2.0-only

use unshare_device::Contexts;

/// A client's request. The worker parses it, so only `core` is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'line> {
    Limit(u64),
    Stats,
    Cat {
        directory: &'line str,
        file: &'line str,
    },
    Put {
        directory: &'line str,
        umask: u32,
        file: &'line str,
        text: &'line str,
    },
    Files,
    Host(&'line str),
    Tmp {
        directory: &'line str,
        text: &'line str,
    },
    Scratch(&'line str),
}

impl<'line> Request<'line> {
    /// Parses a line; `None` if it is no request.
    pub(crate) fn parse(line: &'line str) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            (!word.is_empty()).then_some(word)
        };
        let request = match word()? {
            "limit" => Self::Limit(word()?.parse().ok()?),
            "stats" => Self::Stats,
            "cat" => Self::Cat {
                directory: word()?,
                file: word()?,
            },
            "put" => Self::Put {
                directory: word()?,
                umask: u32::from_str_radix(word()?, 8).ok()?,
                file: word()?,
                text: core::mem::take(&mut rest),
            },
            "files" => Self::Files,
            "host" => Self::Host(word()?),
            "tmp" => Self::Tmp {
                directory: word()?,
                text: core::mem::take(&mut rest),
            },
            "scratch" => Self::Scratch(word()?),
            _ => return None,
        };
        rest.is_empty().then_some(request)
    }

    /// Returns the contexts that must not be shared while the request is served.
    ///
    /// A worker that opens or closes anything needs its own descriptor table: it then keeps no
    /// other connection open, and if it is killed, it leaves nothing in the server's table.
    pub(crate) fn contexts(&self) -> Contexts {
        match self {
            Self::Limit(_) | Self::Stats => Contexts::empty(),
            Self::Cat { .. } | Self::Put { .. } => Contexts::FS | Contexts::FILES,
            Self::Files => Contexts::FILES,
            Self::Host(_) => Contexts::UTS,
            Self::Tmp { .. } => Contexts::MOUNT | Contexts::FS | Contexts::FILES,
            Self::Scratch(_) => Contexts::VM | Contexts::SIGHAND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_may_have_spaces() {
        let put = Request::Put {
            directory: "/tmp",
            umask: 0o27,
            file: "note",
            text: "two words",
        };
        assert_eq!(Request::parse("put /tmp 027 note two words"), Some(put));
    }

    #[test]
    fn what_is_too_much_or_too_little_is_no_request() {
        for line in ["", "stats now", "limit", "limit x", "cat /tmp", "dance"] {
            assert_eq!(Request::parse(line), None, "{line:?}");
        }
        assert_eq!(Request::parse("stats"), Some(Request::Stats));
    }
}

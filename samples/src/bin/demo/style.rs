// SPDX-License-Identifier: GPL-2.0-only

use std::env;
use std::io::{IsTerminal, stdout};
use std::sync::OnceLock;

use clap::ValueEnum;

/// When the output has colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Title,
    Shared,
    Private,
    Named,
    Failed,
}

static COLOURED: OnceLock<bool> = OnceLock::new();

impl Color {
    /// Decides for all output of this program.
    pub(crate) fn decide(self) {
        // no-color.org: set and not empty.
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        let coloured = match self {
            Self::Auto => !refused && !dumb && stdout().is_terminal(),
            Self::Always => true,
            Self::Never => false,
        };
        let _ = COLOURED.set(coloured);
    }
}

impl Style {
    /// Returns `text`, coloured if the output has colours.
    pub(crate) fn paint(self, text: &str) -> String {
        if !COLOURED.get().is_some_and(|coloured| *coloured) {
            return text.to_owned();
        }
        // The 16 colours that each terminal maps to its own theme.
        let code = match self {
            Self::Title => "1",
            Self::Shared => "33",
            Self::Private => "32",
            Self::Named => "1;36",
            Self::Failed => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

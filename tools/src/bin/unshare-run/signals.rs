// SPDX-License-Identifier: GPL-2.0-only

use rustix::process::Signal;

/// A signal's number or name, with or without SIG.
pub(crate) fn parse_signal(text: &str) -> Result<Signal, &'static str> {
    let name = format!("SIG{}", text.strip_prefix("SIG").unwrap_or(text));
    let named = name
        .parse::<nix::sys::signal::Signal>()
        .map(|signal| signal as i32);
    let number = named.or_else(|_| text.parse());
    let signal = number.ok().and_then(Signal::from_named_raw);
    signal.ok_or("no signal has that name or number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_number_are_the_same_signal() {
        for text in ["TERM", "SIGTERM", "15"] {
            assert_eq!(parse_signal(text), Ok(Signal::TERM));
        }
        assert!(parse_signal("NOTHING").is_err());
        assert!(parse_signal("99").is_err());
    }
}

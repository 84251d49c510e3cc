// SPDX-License-Identifier: GPL-2.0-only

//! `ensure!` and `bail!` of anyhow, whose errors also say in which file and line the check is, what it
//! expected, and what came.

use std::fmt;

use anyhow::Error;

/// Where the macro's caller is, as in `tests/src/check.rs:20`.
macro_rules! here {
    () => {
        concat!(file!(), ":", line!())
    };
}

/// Returns an error unless the condition holds. The error has both values of a comparison, also if the
/// caller gives a message.
macro_rules! ensure {
    ($($check:tt)+) => {
        $crate::check::split!([] $($check)+)
    };
}

/// Finds the comma that ends the condition of [`ensure`].
macro_rules! split {
    ([$($condition:tt)+]) => {
        $crate::check::split!([$($condition)+], "")
    };
    ([$($condition:tt)+] $(,)?) => {
        $crate::check::split!([$($condition)+], "")
    };
    ([$($condition:tt)+], $($message:tt)+) => {
        // In a closure, from which anyhow's macro returns.
        if let Err(error) = $crate::check::evaluate(|| {
            anyhow::ensure!($($condition)+);
            Ok(())
        }) {
            let place = $crate::check::here!();
            return Err($crate::check::failed(place, format_args!($($message)+), error));
        }
    };
    ([$($condition:tt)*] $next:tt $($rest:tt)*) => {
        $crate::check::split!([$($condition)* $next] $($rest)*)
    };
}

/// Returns an error with this message, or this one.
macro_rules! bail {
    ($message:literal $($arguments:tt)*) => {
        return Err(anyhow::anyhow!("{}: {}", $crate::check::here!(), format_args!($message $($arguments)*)))
    };
    ($error:expr) => {
        return Err(anyhow::anyhow!($error).context($crate::check::here!()))
    };
}

pub(crate) use {bail, ensure, here, split};

/// Calls a closure that does not name the type of its error.
pub(crate) fn evaluate(check: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    check()
}

/// The error of a condition that does not hold, or that could not be evaluated.
pub(crate) fn failed(place: &str, message: fmt::Arguments<'_>, error: Error) -> Error {
    let message = match message.to_string() {
        message if message.is_empty() => place.to_owned(),
        message => format!("{place}: {message}"),
    };
    // "Condition failed: `a == b` (1 vs 2)".
    match error.to_string().strip_prefix("Condition failed: ") {
        Some(condition) => Error::msg(format!("{message}; expected {condition}")),
        None => error.context(message),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    const LINE: u32 = line!() + 3;

    fn compare(a: u32, b: u32) -> Result<()> {
        ensure!(a == b, "the {} numbers", "two");
        Ok(())
    }

    #[test]
    fn a_comparison_that_fails_says_where_what_was_expected_and_what_came() {
        let said = compare(1, 2).unwrap_err().to_string();
        let file = file!();
        assert_eq!(
            said,
            format!("{file}:{LINE}: the two numbers; expected `a == b` (1 vs 2)")
        );
        assert!(compare(2, 2).is_ok());
    }
}

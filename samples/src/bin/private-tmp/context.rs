// SPDX-License-Identifier: GPL-2.0-only

use std::fs;

/// The security context that the session's programs get, as the security module writes it; `None`
/// without one.
pub(crate) fn of_session() -> Option<String> {
    ["/proc/self/attr/exec", "/proc/self/attr/current"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim_end_matches(['\0', '\n']).to_owned())
        .find(|text| !text.is_empty())
}

/// The level of an SELinux context: all after user, role and type.
pub(crate) fn level(context: &str) -> Option<&str> {
    context.splitn(4, ':').nth(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_may_hold_colons() {
        let context = "staff_u:staff_r:staff_t:s0-s15:c0.c1023";
        assert_eq!(level(context), Some("s0-s15:c0.c1023"));
        assert_eq!(level("unconfined"), None);
    }
}

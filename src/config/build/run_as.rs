//! Whom the gateway is to become: whether there are such ones on this machine.

use nix::unistd::{Group, User};

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::written::Config;

impl Builder<'_> {
    /// Warns of a user and a group that are not here. No more than that: a file may be checked on another machine than the one that
    /// it is for, and the start refuses them anyway.
    pub(super) fn run_as(&self, config: &Config) -> (Option<String>, Option<String>) {
        let is_no_user = |name: &str| matches!(User::from_name(name), Ok(None));
        let is_no_group = |name: &str| matches!(Group::from_name(name), Ok(None));
        self.known_here("user", "useradd --system --no-create-home", config.user.as_ref(), is_no_user);
        self.known_here("group", "groupadd --system", config.group.as_ref(), is_no_group);
        let written = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.value.clone());
        (written(&config.user), written(&config.group))
    }

    fn known_here(
        &self,
        what: &str,
        make: &str,
        written: Option<&Spanned<String>>,
        is_unknown: impl Fn(&str) -> bool,
    ) {
        // A number needs no name.
        let Some(written) = written.filter(|written| written.value.parse::<u32>().is_err()) else { return };
        let name = &written.value;
        // No name has a NUL, and none can be looked up with it.
        if !name.contains('\0') && !is_unknown(name) {
            return;
        }
        let code = if what == "user" { "unknown-user" } else { "unknown-group" };
        self.findings
            .warning(
                code,
                written.mark,
                format!("there is no {what} `{name}` on this machine, and a gateway would not start here"),
            )
            .hint(format!("make it where the gateway runs (`{make} {name}`), or write the number of one"));
    }
}

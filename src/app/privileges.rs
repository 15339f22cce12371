//! Becoming another user, once what only root may do is done.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, initgroups, setgroups, setresgid, setresuid};

use crate::config::Document;
use crate::listen::SocketFile;

/// Becomes the user and group of the configuration, with that user's other groups, for good. The files of Unix sockets become
/// theirs, too. Without either, nothing changes.
///
/// # Errors
/// There are no such ones, or this process may not become them. Nothing may be served then.
pub(super) fn give_up<'f>(
    document: &Document,
    files: impl Iterator<Item = &'f SocketFile>,
) -> anyhow::Result<()> {
    let (user, group) = (document.user.as_deref(), document.group.as_deref());
    if user.is_none() && group.is_none() {
        if geteuid().is_root() {
            tracing::warn!(
                "the gateway runs as root: name a user that it becomes once it has bound its ports (`user: tollgate`)"
            );
        }
        return Ok(());
    }
    let user = user.map(find_user).transpose()?;
    let group = group.map(find_group).transpose()?;
    let gid = group.or(user.as_ref().map(|user| user.gid)).unwrap_or_else(getegid);
    let uid = user.as_ref().map_or_else(geteuid, |user| user.uid);
    if !geteuid().is_root() {
        if uid == geteuid() && gid == getegid() {
            return Ok(());
        }
        bail!(
            "`user` and `group` need a start as root: this is user {}, group {}. Start as root, or remove both keys",
            geteuid(),
            getegid()
        );
    }
    for file in files {
        file.give_to(Some(uid.as_raw()), Some(gid.as_raw()))
            .context("a Unix socket's file can't be given away")?;
    }
    let failed = "the gateway can't become another user";
    match user.as_ref().and_then(|user| user.name.as_deref()) {
        Some(name) => initgroups(name, gid).context(failed)?,
        None => setgroups(&[gid]).context(failed)?,
    }
    // All three of each: a saved one would let it come back.
    setresgid(gid, gid, gid).context(failed)?;
    setresuid(uid, uid, uid).context(failed)?;
    if !uid.is_root() && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        bail!("the gateway has become user {uid}, and could become root again: it does not serve like that");
    }
    tracing::info!(user = %uid, group = %gid, "privileges given up");
    Ok(())
}

/// Says which files of the configuration can't be read again: root could read them, and the first reload would fail.
pub(super) fn warn_of_unreadable(watched: &[PathBuf]) {
    for path in watched {
        let opened = std::fs::File::open(path);
        if opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            tracing::warn!(
                path = %path.display(),
                "the user that the gateway has become can't read this file: every reload will fail, as when a certificate is renewed. Give it to a group that the user is in"
            );
        }
    }
}

struct Found {
    uid: Uid,
    gid: Gid,
    /// Under which its groups are found.
    name: Option<std::ffi::CString>,
}

/// A user by its name, or its number, which need not have a name.
fn find_user(written: &str) -> anyhow::Result<Found> {
    let by_name =
        User::from_name(written).with_context(|| format!("`user: {written}` can't be looked up"))?;
    let number = written.parse::<u32>().ok();
    let found = match (by_name, number) {
        (Some(user), _) => Some(user),
        (None, Some(number)) => User::from_uid(Uid::from_raw(number)).ok().flatten(),
        (None, None) => None,
    };
    match (found, number) {
        (Some(user), _) => {
            let name = std::ffi::CString::new(user.name).ok();
            Ok(Found { uid: user.uid, gid: user.gid, name })
        }
        (None, Some(number)) => {
            Ok(Found { uid: Uid::from_raw(number), gid: Gid::from_raw(number), name: None })
        }
        (None, None) => Err(anyhow!(
            "there is no user `{written}` here: make it (`useradd --system --no-create-home {written}`), or write the number of one"
        )),
    }
}

fn find_group(written: &str) -> anyhow::Result<Gid> {
    let by_name =
        Group::from_name(written).with_context(|| format!("`group: {written}` can't be looked up"))?;
    match (by_name, written.parse::<u32>()) {
        (Some(group), _) => Ok(group.gid),
        (None, Ok(number)) => Ok(Gid::from_raw(number)),
        (None, Err(_)) => Err(anyhow!(
            "there is no group `{written}` here: make it (`groupadd --system {written}`), or write the number of one"
        )),
    }
}

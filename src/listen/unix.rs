//! Unix sockets: a file that stands for a listener, made and taken away without a gap.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::bind::BACKLOG;

/// A socket's file; taken away when dropped, unless another has come in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Gives it to another user, who can then connect, and take it away.
    ///
    /// # Errors
    /// Those of chown(2).
    pub fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        chown(&self.path, user, group)
    }

    /// Changes who may connect.
    ///
    /// # Errors
    /// Those of chmod(2).
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(mode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Binds a socket to a path.
///
/// What a gateway has left there that was killed is replaced; a file that is no socket, and a socket that somebody listens
/// on, are not. The new one is made beside the path, with its mode set before anybody could connect, and then renamed: at no
/// time is there nothing, or something that the wrong ones could connect to.
pub(super) fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::other(
                "there is a file that is no socket: remove it, or choose another path",
            ));
        }
        Ok(_) if is_listened_on(path)? => {
            return Err(io::Error::other("another process listens there: `ss -lxp` names it"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let draft = draft(path);
    // Ours by its name: what is there was left by a process of the same number.
    let _ = fs::remove_file(&draft);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&draft)?)?;
    let made = || {
        fs::set_permissions(&draft, Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        let identity = identity(&draft)?;
        fs::rename(&draft, path)?;
        Ok(SocketFile { path: path.to_owned(), identity })
    };
    match made() {
        Ok(file) => Ok((socket.into(), file)),
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.extend(format!(".{}", std::process::id()).bytes());
    PathBuf::from(<std::ffi::OsStr as OsStrExt>::from_bytes(&name))
}

/// Whether somebody accepts there. A connection to ourselves or to another gateway says nothing, and is closed at once.
fn is_listened_on(path: &Path) -> io::Result<bool> {
    match UnixStream::connect(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        // Gone in between.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // A full queue: somebody listens.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.sock");
        // Dropped, its file stays: so a process leaves it that is killed.
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, file) = bind(&path, 0o600).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let why = bind(&path, 0o600).unwrap_err().to_string();
        assert!(why.contains("another process listens there"), "{why}");
        // Nothing else is left in the folder, then and at the end.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        fs::write(&path, "mine").unwrap();
        let why = bind(&path, 0o600).unwrap_err().to_string();
        assert!(why.contains("no socket"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_socket_of_others_is_left_alone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.sock");
        let (_listener, file) = bind(&path, 0o600).unwrap();
        // Held, so that the file that comes after is another.
        fs::rename(&path, folder.path().join("old.sock")).unwrap();
        let _others = UnixListener::bind(&path).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
    }
}

//! A mount namespace of the program's own, in which its volumes are where its Pod says, and everything else is the
//! machine's.
//!
//! The view is a small file system in memory, to which the entries of the machine's root folder are bound, and folders
//! of the machine that need a new name in them are made again, entry by entry. Nothing is created on the machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{Gid, Uid, chdir, getegid, geteuid, pivot_root};

use super::Mount;
use super::error::Error;
use super::layout::{Entry, entries, resolve};

/// Moves this process, and those that it will start, into a view that is built on the empty folder.
pub(super) fn enter(root: &Path, mounts: &[Mount]) -> Result<(), Error> {
    leave(geteuid(), getegid())?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    change("making mounts private", Path::new("/"), private)?;
    let memory = Some("mode=0755");
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::MS_NOSUID, memory).map_err(Error::path("mounting on", root))?;
    // Else the folder that it is in would bring it along, with all that is in it.
    change("keeping the view apart", root, MsFlags::MS_UNBINDABLE)?;

    let mut targets = Vec::new();
    for wanted in mounts {
        targets.push((resolve(&wanted.target)?, wanted));
    }
    // An outer one before what is mounted in it.
    targets.sort_by(|a, b| a.0.cmp(&b.0));
    let missing: Vec<PathBuf> =
        targets.iter().map(|(target, _)| target.clone()).filter(|path| !path.exists()).collect();
    mirror(Path::new("/"), root, &missing)?;
    for (target, wanted) in targets {
        place(root, &target, wanted)?;
    }
    change("showing the view", root, MsFlags::MS_PRIVATE)?;

    chdir(root).map_err(Error::system("going to the view"))?;
    pivot_root(".", ".").map_err(Error::system("changing the root folder"))?;
    // The machine's root, which is now under ours.
    umount2(".", MntFlags::MNT_DETACH).map_err(Error::system("leaving the machine's root folder"))?;
    chdir("/").map_err(Error::system("going to the root folder"))
}

/// Leaves the machine's mount namespace; without the right to, in a user namespace with the same user and group.
fn leave(user: Uid, group: Gid) -> Result<(), Error> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Err(Errno::EPERM) => {}
        outcome => return outcome.map_err(Error::system("leaving the mount namespace")),
    }
    let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    unshare(both).map_err(Error::system("entering a user namespace"))?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{user} {user} 1")),
        ("/proc/self/gid_map", format!("{group} {group} 1")),
    ] {
        fs::write(file, text).map_err(Error::path("cannot write", file))?;
    }
    Ok(())
}

/// Fills a folder of the view with what the machine has in one of its folders.
fn mirror(folder: &Path, view: &Path, missing: &[PathBuf]) -> Result<(), Error> {
    for (name, entry) in entries(folder, missing)? {
        let (from, to) = (folder.join(&name), view.join(&name));
        match entry {
            Entry::Link(target) => symlink(target, &to).map_err(Error::path("cannot link", &to))?,
            Entry::Folder => {
                fs::create_dir(&to).map_err(Error::path("cannot create", &to))?;
                bind_if_there(&from, &to)?;
            }
            Entry::File => {
                fs::File::create(&to).map_err(Error::path("cannot create", &to))?;
                bind_if_there(&from, &to)?;
            }
            Entry::Copy => {
                fs::create_dir(&to).map_err(Error::path("cannot create", &to))?;
                let mode = fs::metadata(&from).map_err(Error::path("cannot look at", &from))?.permissions().mode();
                fs::set_permissions(&to, fs::Permissions::from_mode(mode))
                    .map_err(Error::path("cannot change", &to))?;
                mirror(&from, &to, missing)?;
            }
        }
    }
    Ok(())
}

/// Binds a volume to its place in the view.
fn place(root: &Path, target: &Path, wanted: &Mount) -> Result<(), Error> {
    let to = root.join(target.strip_prefix("/").unwrap_or(target));
    let failed = |what| Error::path::<std::io::Error>(what, &wanted.target);
    let source = fs::metadata(&wanted.source).map_err(Error::path("cannot mount", &wanted.source))?;
    if !to.exists() {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed("cannot create"))?;
        }
        let made = if source.is_dir() { fs::create_dir(&to) } else { fs::File::create(&to).map(drop) };
        made.map_err(failed("cannot create"))?;
    }
    bind(&wanted.source, &to).map_err(|source| failed("cannot mount on")(source.into()))?;
    if wanted.read_only {
        let flags = kept(&to).map_err(|source| failed("cannot look at")(source.into()))?;
        let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        change("making a volume read-only", &to, flags)?;
    }
    Ok(())
}

/// The restrictions of a mount, which a user namespace may not lift.
fn kept(path: &Path) -> Result<MsFlags, Errno> {
    let flags = statvfs(path)?.flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    Ok(pairs.into_iter().filter(|(has, _)| flags.contains(*has)).map(|(_, keep)| keep).collect())
}

fn bind(from: &Path, to: &Path) -> Result<(), Errno> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
}

/// Binds what may have gone since its folder was listed.
fn bind_if_there(from: &Path, to: &Path) -> Result<(), Error> {
    match bind(from, to) {
        Err(Errno::ENOENT) => Ok(()),
        outcome => outcome.map_err(Error::path("cannot bind", from)),
    }
}

fn change(what: &'static str, path: &Path, flags: MsFlags) -> Result<(), Error> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).map_err(Error::system(what))
}

/// Finds out whether this machine lets us make a view, in an empty folder.
pub(super) fn probe(home: &Path) -> Result<(), Error> {
    let (root, source) = (home.join("root"), home.join("source"));
    for folder in [&root, &source] {
        fs::create_dir_all(folder).map_err(Error::path("cannot create", folder))?;
    }
    fs::write(source.join("mark"), "").map_err(Error::path("cannot write", &source))?;
    let target = PathBuf::from("/embedded-kube-probe/deep");
    enter(&root, &[Mount { source, target: target.clone(), read_only: true }])?;
    fs::metadata(target.join("mark")).map(drop).map_err(Error::path("cannot find", target))
}

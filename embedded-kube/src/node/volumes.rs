//! A Pod's volumes on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use super::context::Context;
use super::fetch;
use super::home::private;
use super::spec::Problem;
use super::spec::references::Objects;
use super::spec::volume::{Content, Source, content};

/// Where a Pod's volumes are, and what in them gets old.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volumes {
    pub(crate) paths: BTreeMap<String, PathBuf>,
    tokens: Vec<Token>,
}

/// A file with a token.
#[derive(Clone, Debug)]
struct Token {
    file: PathBuf,
    mode: u32,
    audience: Option<String>,
    seconds: i64,
    /// When it is replaced, some time before it expires.
    renew: Timestamp,
}

/// Makes the volumes. What is there from before is kept, but for files that come from objects.
pub(crate) async fn make(context: &Context, pod: &Pod, objects: &Objects) -> Result<Volumes, Problem> {
    let (uid, namespace) = (pod.metadata.uid.as_deref(), pod.metadata.namespace.as_deref());
    let (uid, namespace) = (uid.unwrap_or_default(), namespace.unwrap_or_default());
    let mut made = Volumes::default();
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let own = context.home.volume(uid, &volume.name);
        let failed = |error| Problem::Missing(format!("the volume {:?} cannot be made: {error}", volume.name));
        let path = match content(volume, objects, context.facts(pod), &context.options.host_paths)? {
            Content::Empty => private(&own).map(|()| own).map_err(failed)?,
            Content::Claim(claim) => {
                let path = context.home.claim(namespace, &claim);
                private(&path).map(|()| path).map_err(failed)?
            }
            Content::Host { path, kind } => host(&path, &kind, &context.options.host_paths)?,
            Content::Files(files) => {
                private(&own).map_err(failed)?;
                for file in files {
                    let path = own.join(&file.path);
                    match file.source {
                        Source::Bytes(bytes) => write(&path, &bytes, file.mode).map_err(failed)?,
                        Source::Token { audience, seconds } => {
                            let renew = Timestamp::now();
                            let mut token = Token { file: path, mode: file.mode, audience, seconds, renew };
                            token.fetch(context, pod).await?;
                            made.tokens.push(token);
                        }
                    }
                }
                own
            }
        };
        made.paths.insert(volume.name.clone(), path);
    }
    Ok(made)
}

impl Volumes {
    /// When a token has to be replaced.
    pub(crate) fn renew(&self) -> Option<Timestamp> {
        self.tokens.iter().map(|token| token.renew).min()
    }

    /// Replaces the tokens that are due.
    pub(crate) async fn refresh(&mut self, context: &Context, pod: &Pod, now: Timestamp) {
        for token in self.tokens.iter_mut().filter(|token| token.renew <= now) {
            if let Err(error) = token.fetch(context, pod).await {
                tracing::warn!(%error, "a token is not renewed yet");
                token.renew = now + SignedDuration::from_secs(10);
            }
        }
    }
}

impl Token {
    async fn fetch(&mut self, context: &Context, pod: &Pod) -> Result<(), Problem> {
        let asked = Timestamp::now();
        let (text, expires) = fetch::token(&context.client, pod, self.audience.as_deref(), self.seconds).await?;
        write(&self.file, text.as_bytes(), self.mode)
            .map_err(|error| Problem::Missing(format!("the token cannot be written: {error}")))?;
        self.renew = renewal(asked, expires);
        Ok(())
    }
}

/// When a token is replaced, as by a kubelet: when four fifths of its life are over, or it is a day old.
fn renewal(asked: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.duration_since(asked).saturating_mul(4) / 5;
    asked.checked_add(life.min(SignedDuration::from_hours(24))).unwrap_or(expires)
}

/// Writes a file as a whole or not at all: who reads it meanwhile reads the old one.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    private(folder)?;
    let new = folder.join(format!(".{}.new", name.to_string_lossy()));
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fs::rename(new, path)
}

/// The folder or file of the machine, which has to be what the Pod says, and to be where it is allowed, links followed.
fn host(path: &Path, kind: &str, allowed: &[PathBuf]) -> Result<PathBuf, Problem> {
    let failed =
        |error: io::Error| Problem::Missing(format!("the hostPath {} cannot be used: {error}", path.display()));
    match kind {
        "DirectoryOrCreate" => fs::create_dir_all(path).map_err(failed)?,
        "FileOrCreate" => drop(File::options().create(true).append(true).open(path).map_err(failed)?),
        _ => {}
    }
    let real = fs::canonicalize(path).map_err(failed)?;
    let inside =
        allowed.iter().filter_map(|allowed| fs::canonicalize(allowed).ok()).any(|allowed| real.starts_with(allowed));
    if !inside {
        return Err(Problem::Never(format!("the hostPath {} leads to where it is not allowed", path.display())));
    }
    let is = fs::metadata(&real).map_err(failed)?.file_type();
    let right = match kind {
        "" => true,
        "Directory" | "DirectoryOrCreate" => is.is_dir(),
        "File" | "FileOrCreate" => is.is_file(),
        "Socket" => is.is_socket(),
        "CharDevice" => is.is_char_device(),
        "BlockDevice" => is.is_block_device(),
        _ => false,
    };
    if right { Ok(real) } else { Err(Problem::Missing(format!("the hostPath {} is no {kind}", path.display()))) }
}

/// Makes sure that a part of a volume is there, and is in the volume, links followed.
pub(crate) fn sub_path(volume: &Path, part: &Path) -> Result<(), Problem> {
    let failed = |error: io::Error| Problem::Missing(format!("the subPath {} cannot be used: {error}", part.display()));
    if !part.exists() {
        private(part).map_err(failed)?;
    }
    let inside = fs::canonicalize(part).map_err(failed)?.starts_with(fs::canonicalize(volume).map_err(failed)?);
    if inside { Ok(()) } else { Err(Problem::Never(format!("the subPath {} leads out of its volume", part.display()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_before_it_expires() {
        let renew = |seconds: i64| {
            let at = |second| Timestamp::from_second(second).unwrap();
            renewal(at(1000), at(1000 + seconds)).as_second() - 1000
        };
        assert_eq!([600, 3600, 30 * 86_400].map(renew), [480, 2880, 86_400]);
    }

    #[test]
    fn files_are_private_and_replaced_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("d/file");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o440).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o440, 0o700));
        assert_eq!(fs::read_dir(home.path().join("d")).unwrap().count(), 1);
    }

    #[test]
    fn a_host_path_is_what_it_says_and_no_way_out() {
        let home = tempfile::tempdir().unwrap();
        let allowed = [home.path().join("in")];
        let path = |name: &str| home.path().join("in").join(name);
        assert!(host(&path("a"), "DirectoryOrCreate", &allowed).is_ok());
        assert!(host(&path("f"), "FileOrCreate", &allowed).is_ok());
        assert!(host(&path("f"), "File", &allowed).is_ok());
        assert!(matches!(host(&path("f"), "Directory", &allowed), Err(Problem::Missing(_))));
        assert!(matches!(host(&path("none"), "", &allowed), Err(Problem::Missing(_))));
        std::os::unix::fs::symlink("/etc", path("out")).unwrap();
        assert!(matches!(host(&path("out"), "", &allowed), Err(Problem::Never(_))));
        assert!(matches!(sub_path(&allowed[0], &path("out")), Err(Problem::Never(_))));
        assert!(sub_path(&allowed[0], &path("new/deep")).is_ok());
        assert!(path("new/deep").is_dir());
    }
}

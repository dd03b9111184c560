//! A host that is written to the settings file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Host, Settings, SettingsError};

/// A settings file with one host more, proven to be valid and not yet in its place.
#[derive(Debug)]
pub struct Addition {
    new: NamedTempFile,
    file: PathBuf,
    /// What the settings will be.
    pub settings: Settings,
}

impl Addition {
    /// The file as it will be; all that was in it stays as it was written. Paths of the host are as they are to stand
    /// there. It keeps mode and owner.
    ///
    /// # Errors
    /// When the file cannot be read or written, when the host is not valid, or another one has its name.
    pub fn of(
        file: &Path,
        host: &Host,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        // What a link leads to is replaced, never the link.
        let file = file.canonicalize().map_err(|error| unreadable(file, &error))?;
        let old = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let written = || {
            let folder = file.parent().unwrap_or(Path::new("/"));
            let mut new = tempfile::Builder::new().prefix(".previewbot").suffix(".toml").tempfile_in(folder)?;
            let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
            new.write_all(format!("{old}{gap}{}", block(host)).as_bytes())?;
            let meta = file.metadata()?;
            if new.as_file().metadata()?.uid() != meta.uid() || new.as_file().metadata()?.gid() != meta.gid() {
                chown(new.path(), Some(meta.uid()), Some(meta.gid()))?;
            }
            std::fs::set_permissions(new.path(), meta.permissions())?;
            new.as_file().sync_all()?;
            Ok(new)
        };
        let new = written().map_err(|error| unwritable(&file, &error))?;
        let settings = Settings::load(Some(new.path()), variables)?;
        Ok(Self { new, file, settings })
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// When it cannot be moved there.
    pub fn write(self) -> Result<(), SettingsError> {
        let Self { new, file, .. } = self;
        new.persist(&file).map(drop).map_err(|error| unwritable(&file, &error.error))
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> SettingsError {
    SettingsError::Unreadable { file: file.to_owned(), message: error.to_string() }
}

fn unwritable(file: &Path, error: &std::io::Error) -> SettingsError {
    SettingsError::Invalid(format!("{} cannot be written: {error}", file.display()))
}

/// The host's `[[hosts]]` block, without what is so by default.
fn block(host: &Host) -> String {
    let mut text = "\n[[hosts]]\n".to_owned();
    // A text in JSON is the same text in TOML. Writing to a String cannot fail.
    let mut line = |key: &str, value: serde_json::Value| {
        let _ = writeln!(text, "{key} = {value}");
    };
    let path = |path: &PathBuf| path.to_string_lossy().into_owned().into();
    line("name", host.name.as_str().into());
    line("address", host.address.as_str().into());
    if host.port != 22 {
        line("port", host.port.into());
    }
    line("user", host.user.as_str().into());
    for (key, value) in [
        ("identity_file", host.identity_file.as_ref().map(path)),
        ("known_hosts_file", host.known_hosts_file.as_ref().map(path)),
        ("public_host", host.public_host.as_deref().map(Into::into)),
        ("root", host.root.as_ref().map(path)),
        ("capacity", host.capacity.map(Into::into)),
    ] {
        if let Some(value) = value {
            line(key, value);
        }
    }
    if !host.labels.is_empty() {
        line("labels", host.labels.clone().into());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn host(name: &str) -> Host {
        let text = format!("[[hosts]]\nname = {name:?}\naddress = \"10.0.0.5\"\nuser = \"preview\"\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("previewbot.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file), []).unwrap().hosts.remove(0)
    }

    #[test]
    fn a_host_is_added_behind_all_that_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.toml"), folder.path().join("previewbot.toml"));
        // The last line has no end.
        let old = "# mine\n[[projects]]\nrepository = \"github:acme/shop\"   # kept";
        std::fs::write(&file, old).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.toml", &link).unwrap();
        let labels = vec!["preview".to_owned(), "it's \"big\"".to_owned()];
        let new = Host {
            identity_file: Some("keys/id".into()),
            known_hosts_file: Some("known_hosts".into()),
            capacity: Some(9),
            port: 2222,
            labels: labels.clone(),
            ..host("vm-1")
        };
        Addition::of(&link, &new, []).unwrap().write().unwrap();
        let text = std::fs::read_to_string(&link).unwrap();
        assert!(text.starts_with(&format!("{old}\n")), "{text}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        let added = Settings::load(Some(&link), []).unwrap().hosts.remove(0);
        assert_eq!(
            (added.name.as_str(), added.port, added.capacity, added.labels),
            ("vm-1", 2222, Some(9), labels)
        );
        assert_eq!(added.identity_file.unwrap(), folder.path().join("keys/id"));
    }

    #[test]
    fn what_would_not_be_valid_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("previewbot.toml");
        for (old, name) in [("hosts = []\n", "vm-1"), ("", "a b"), ("", "local")] {
            std::fs::write(&file, old).unwrap();
            let new = Host { name: name.to_owned(), ..host("vm-1") };
            Addition::of(&file, &new, []).unwrap_err();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), old);
        }
        std::fs::write(&file, "").unwrap();
        Addition::of(&file, &host("vm-1"), []).unwrap().write().unwrap();
        let twice = Addition::of(&file, &host("vm-1"), []).unwrap_err();
        assert!(twice.to_string().contains("two [[hosts]] are called `vm-1`"), "{twice}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}

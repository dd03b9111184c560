//! The Compose plugin, run as docker runs it. `docker compose` first loads the plugin to ask what it is, and then once
//! more to run it: the asking takes longer than many a command.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::outbound::tool::Tool;

/// Tells the plugin what it was run by.
const RUN_BY: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";
/// Where docker looks for plugins after the folder of its configuration, in its order.
const FOLDERS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// Makes `docker compose …` run the plugin itself where that is the same.
pub(super) fn run_directly(mut tool: Tool) -> Tool {
    let is_compose = tool.program == "docker" && tool.arguments.first().is_some_and(|word| word == "compose");
    let Some(home) = tool.home.clone().filter(|_| is_compose) else { return tool };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(plugin) = find(&home, &path) {
        tool.environment.insert(RUN_BY.to_owned(), tool.program.to_owned());
        tool.file = Some(plugin);
    }
    tool
}

/// The plugin that the `docker` in `path` runs with its configuration in `home`. `None` where only docker itself can
/// tell: another program may stand in for it (Podman's is a script that leads the plugin to Podman), and it may be told
/// of other folders.
fn find(home: &Path, path: &OsStr) -> Option<PathBuf> {
    let docker = std::env::split_paths(path).map(|folder| folder.join("docker")).find(|file| is_program(file))?;
    if !is_docker(&docker) || !names_no_folders(home) {
        return None;
    }
    let folders = std::iter::once(home.join("cli-plugins")).chain(FOLDERS.map(PathBuf::from));
    // Docker takes the first that is there and fails when it is no program.
    let first =
        folders.map(|folder| folder.join("docker-compose")).find(|file| file.symlink_metadata().is_ok())?;
    is_program(&first).then_some(first)
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Snap's `docker`, for one, is a link to another program.
fn is_docker(file: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut magic));
    let is_called_so = file.canonicalize().is_ok_and(|real| real.file_name() == Some(OsStr::new("docker")));
    is_called_so && read.is_ok() && magic == *b"\x7fELF"
}

fn names_no_folders(home: &Path) -> bool {
    match fs::read_to_string(home.join("config.json")) {
        Ok(text) => !text.contains("cliPluginsExtraDirs"),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(file: &Path, text: &[u8]) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_plugin_is_found_only_where_docker_would_find_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (home, bin, other) =
            (folder.path().join("home"), folder.path().join("bin"), folder.path().join("other"));
        let found = |bin: &Path| find(&home, bin.as_os_str());
        let plugin = home.join("cli-plugins/docker-compose");
        program(&plugin, b"");
        assert_eq!(found(&bin), None, "there is no docker");
        program(&bin.join("docker"), b"#!/bin/sh\nexec podman \"$@\"\n");
        assert_eq!(found(&bin), None, "a script may do anything");
        program(&bin.join("docker"), b"\x7fELF and so on");
        assert_eq!(found(&bin), Some(plugin.clone()));
        program(&other.join("snap"), b"\x7fELF and so on");
        std::os::unix::fs::symlink("snap", other.join("docker")).unwrap();
        assert_eq!(found(&other), None, "another program of that name");
        fs::write(home.join("config.json"), r#"{"auths": {}}"#).unwrap();
        assert_eq!(found(&bin), Some(plugin.clone()));
        fs::write(home.join("config.json"), r#"{"cliPluginsExtraDirs": ["/x"]}"#).unwrap();
        assert_eq!(found(&bin), None, "one of these may come first");
        fs::remove_file(home.join("config.json")).unwrap();
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(found(&bin), None, "docker says what is wrong with it");
    }
}

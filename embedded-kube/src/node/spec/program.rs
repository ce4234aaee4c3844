//! From an image and a command to a program of this machine: a closed list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Container;
use serde::Deserialize;

use super::expand::expand;

/// Which programs this node runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Programs {
    /// The program of each image. An image's name is given without its tag and digest; it also stands for the images
    /// below it, as `example.com/tools` does for `example.com/tools/copy:1`.
    pub images: BTreeMap<String, PathBuf>,
    /// Whether a container's `command` may name any program of this machine, and not only those of the images. It gives
    /// whoever may create Pods everything that the runner's user may do.
    #[serde(default)]
    pub allow_any_command: bool,
}

/// Why a container is not run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The image stands for no program.
    #[error("this node has no image {image:?}; it has: {}", known.join(", "))]
    Image { image: String, known: Vec<String> },
    /// The command names another program.
    #[error("this node does not run the command {command:?}; with this image it runs: {}", known.join(", "))]
    Command { command: String, known: Vec<String> },
}

/// A program and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// The program that the container is, with references to its variables replaced.
pub(crate) fn line(
    programs: &Programs,
    container: &Container,
    variables: &BTreeMap<String, String>,
) -> Result<Line, Refusal> {
    let image = container.image.as_deref().unwrap_or_default();
    let Some(program) = of_image(&programs.images, image) else {
        return Err(Refusal::Image { image: image.to_owned(), known: programs.images.keys().cloned().collect() });
    };
    let given = |words: Option<&Vec<String>>| -> Vec<String> {
        words.into_iter().flatten().map(|word| expand(word, variables)).collect()
    };
    let mut command = given(container.command.as_ref());
    let arguments = given(container.args.as_ref());
    if command.is_empty() {
        return Ok(Line { program: program.to_owned(), arguments });
    }
    let first = command.remove(0);
    let program = of_command(programs, program, &first)?;
    Ok(Line { program, arguments: command.into_iter().chain(arguments).collect() })
}

fn of_image<'a>(images: &'a BTreeMap<String, PathBuf>, image: &str) -> Option<&'a Path> {
    let stands =
        |name: &str| image.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@', '/']));
    let named = images.iter().filter(|(name, _)| stands(name));
    named.max_by_key(|(name, _)| name.len()).map(|(_, program)| program.as_path())
}

fn of_command(programs: &Programs, program: &Path, command: &str) -> Result<PathBuf, Refusal> {
    let path = Path::new(command);
    if program.file_name().is_some_and(|name| name == path.as_os_str()) {
        return Ok(program.to_owned());
    }
    let known = path.is_absolute() && programs.images.values().any(|program| program == path);
    if known || programs.allow_any_command {
        return Ok(path.to_owned());
    }
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
    let paths = programs.images.values().map(|program| program.display().to_string());
    Err(Refusal::Command { command: command.to_owned(), known: name.into_iter().chain(paths).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn programs(allow_any_command: bool) -> Programs {
        let images = [("example.com/shell", "/bin/sh"), ("example.com", "/bin/true"), ("tool", "/opt/tool")];
        Programs { images: images.map(|(image, path)| (image.into(), path.into())).into(), allow_any_command }
    }

    fn run(container: serde_json::Value, any: bool) -> Result<(String, Vec<String>), String> {
        let mut container = container;
        container["name"] = "c".into();
        let container = serde_json::from_value(container).unwrap();
        let variables = [("A".to_owned(), "1".to_owned())].into();
        let line = line(&programs(any), &container, &variables).map_err(|refusal| refusal.to_string())?;
        Ok((line.program.display().to_string(), line.arguments))
    }

    #[test]
    fn the_longest_name_of_an_image_says_the_program() {
        let program = |image: &str| run(json!({"image": image}), false).map(|(program, _)| program);
        for (image, path) in [
            ("example.com/shell", "/bin/sh"),
            ("example.com/shell:1.2", "/bin/sh"),
            ("example.com/shell@sha256:00", "/bin/sh"),
            ("example.com/shellfish", "/bin/true"),
            ("tool:latest", "/opt/tool"),
        ] {
            assert_eq!(program(image).as_deref(), Ok(path), "{image}");
        }
        let known = "example.com, example.com/shell, tool";
        for image in ["", "toolbox", "docker.io/tool"] {
            assert_eq!(program(image), Err(format!("this node has no image {image:?}; it has: {known}")));
        }
    }

    #[test]
    fn a_command_is_one_of_the_programs() {
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let with = |command: &[&str], any| run(json!({"image": "tool", "command": command, "args": ["$(A)"]}), any);
        assert_eq!(with(&[], false), Ok(("/opt/tool".into(), strings(&["1"]))));
        assert_eq!(with(&["tool", "-v"], false), Ok(("/opt/tool".into(), strings(&["-v", "1"]))));
        assert_eq!(with(&["/bin/sh", "-c", "x$(A)"], false), Ok(("/bin/sh".into(), strings(&["-c", "x1", "1"]))));
        let refused =
            "this node does not run the command \"sh\"; with this image it runs: tool, /bin/true, /bin/sh, /opt/tool";
        assert_eq!(with(&["sh"], false), Err(refused.into()));
        assert_eq!(with(&["/bin/ls"], true), Ok(("/bin/ls".into(), strings(&["1"]))));
        assert!(run(json!({"image": "none", "command": ["/bin/ls"]}), true).is_err());
    }
}

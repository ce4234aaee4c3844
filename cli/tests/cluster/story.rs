//! What kubectl shows of a project: `docs/operations/kubectl.md`, followed line by line.

use std::time::Instant;

use aggregator_tests::folder;
use aggregator_tests::golden::difference;
use aggregator_tests::page::blocks;
use aggregator_tests::wait::{PATIENCE, eventually};

use crate::project::Project;

/// Where the page says that the files are.
const FOLDER: &str = "/srv/shop";
/// The namespace that the page speaks of.
const NAMESPACE: &str = "demo";
/// Reasons that pass, and that nobody may have been there to see.
const PASSING: [&str; 5] = ["Checking", "Testing", "PodStarting", "Running", "WaitingForRevision"];
/// A node that has not seen a ConfigMap yet says so, and has it a moment later.
const SLOW_NODE: &str = "FailedMount";
/// The most characters of a line of JSON that the page shows.
const SHOWN: usize = 100;

/// What differs from time to time, as a word for it.
fn steady(word: &str) -> String {
    let (before, rest) = word.split_at(word.len() - word.trim_start_matches(['"', '\'', '(', '`']).len());
    let (rest, after) = rest.split_at(rest.trim_end_matches(['"', '\'', ')', '`', ',', ':', ';', '.']).len());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_age = {
        let units = rest
            .trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || "µnmshd".contains(letter));
        units.is_empty()
            && rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.ends_with(['s', 'm', 'h', 'd'])
    };
    let is_number = rest.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part));
    let is_time = rest.parse::<jiff::Timestamp>().is_ok();
    let is_uid = rest.len() == 36 && rest.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let word = match () {
        () if is_age => "AGE",
        () if is_number => "NUMBER",
        () if is_time => "TIME",
        () if is_uid => "UID",
        () => rest,
    };
    // The Pod of a Job has five letters of chance behind its name.
    let word = match word.rsplit_once('-') {
        Some((name, chance)) if chance.len() == 5 && name.ends_with("by-hand") => format!("{name}-CHANCE"),
        _ => word.to_owned(),
    };
    format!("{before}{word}{after}")
}

/// Keys of an object whose value differs from time to time.
const MOVING: [&str; 6] = ["Resource Version:", "Cpu Seconds:", "Peak Memory:", "Job:", "Latency:", "Duration:"];

/// What is compared of an output: without what differs from time to time, and how wide columns are.
fn comparable(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut rates = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        let mut words: Vec<String> = trimmed.split_whitespace().map(steady).collect();
        let event = |reason: &str| words.iter().any(|word| word == reason);
        if (event("Normal") && PASSING.into_iter().any(event)) || (event("Warning") && event(SLOW_NODE)) {
            continue;
        }
        rates = words.last().is_some_and(|word| word == "ROWS/S") || (rates && !words.is_empty());
        if rates {
            words.pop();
        }
        if let Some(key) = MOVING.iter().find(|key| trimmed.starts_with(**key)) {
            lines.push(format!("{indent}{key}"));
            continue;
        }
        if trimmed.starts_with("{\"") && trimmed.ends_with('…') {
            lines.push("JSON".to_owned());
            continue;
        }
        // An Event that came more than once says so behind its age.
        while let Some(at) = words.iter().position(|word| word.starts_with("(x")) {
            words.drain(at..(at + 3).min(words.len()));
        }
        let rule = |word: &String| word.len() > 1 && word.bytes().all(|byte| byte == b'-');
        let words: Vec<String> =
            words.into_iter().map(|word| if rule(&word) { "-".to_owned() } else { word }).collect();
        lines.push(format!("{indent}{}", words.join(" ")));
    }
    lines.join("\n")
}

/// Events come in the order of their seconds: in which of two of one second is chance.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some((_, events)) = lines.split_first_mut() {
        events.sort_unstable();
    }
    lines.join("\n")
}

/// As it stands on the page.
fn shown(project: &Project, text: &str) -> String {
    let own = project.path("").display().to_string();
    let text = text.replace(own.trim_end_matches('/'), FOLDER).replace(project.namespace.name(), NAMESPACE);
    let lines = text.lines().map(|line| {
        let cut = line.starts_with("{\"") && line.chars().count() > SHOWN;
        let line = if cut { format!("{}…", line.chars().take(SHOWN).collect::<String>()) } else { line.to_owned() };
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

#[test]
fn kubectl_shows_what_the_page_says() {
    let project = Project::new();
    let page = folder::workspace().join("docs/operations/kubectl.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let (mut written, mut at) = (String::new(), 0);
    let mut outputs = 0;
    for block in blocks(&text) {
        match (block.language(), block.value("file")) {
            ("csv", Some(name)) => project.write(name, &block.text),
            ("yaml", _) if block.is("apply") => {
                let own = project.path("").display().to_string();
                project.namespace.apply(&block.text.replace(FOLDER, own.trim_end_matches('/')));
                settle(&project);
            }
            ("console", _) if block.is("kubectl") => {
                let mut lines = String::new();
                for (command, wanted) in block.commands() {
                    outputs += 1;
                    let found = follow(&project, command, &wanted, update)
                        .unwrap_or_else(|problem| panic!("{}:{}: {problem}", page.display(), block.line));
                    lines.push_str(&format!("$ {command}\n{found}"));
                }
                let place = at + text[at..].find(&block.text).expect("the block");
                written.push_str(&text[at..place]);
                written.push_str(&lines);
                at = place + block.text.len();
            }
            _ => {}
        }
    }
    written.push_str(&text[at..]);
    assert!(outputs > 10, "only {outputs} commands were found");
    if update {
        std::fs::write(&page, written).expect("the page");
    }
}

/// Waits until the operator has come to rest: everything that was applied is known for what it is.
fn settle(project: &Project) {
    eventually("an operator that has come to rest", || {
        let all = ["connectors", "pipelines", "transformations", "schedules"].map(|kind| project.list(kind));
        let known = all.iter().flatten().all(|object| {
            let conditions = object["status"]["conditions"].as_array();
            let mut of = conditions.into_iter().flatten();
            let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            seen && of.all(|it| !["Checking", "Testing"].contains(&it["reason"].as_str().unwrap_or_default()))
        });
        let jobs = project.list("jobs");
        let checks = jobs.iter().any(|job| job["metadata"]["ownerReferences"][0]["kind"] != "PipelineRun");
        (known && !checks).then_some(())
    });
}

/// What a command puts out, once it is as the page says; or how that differs from it.
fn follow(project: &Project, command: &str, wanted: &str, update: bool) -> Result<String, String> {
    let begun = Instant::now();
    let compare = |text: &str| {
        let text = comparable(text);
        if command.contains("kubectl events") { sorted(&text) } else { text }
    };
    // What changes something is typed in once.
    let once = ["patch", "annotate"].iter().any(|verb| command.contains(verb));
    loop {
        let found = project.type_in(command).map(|text| shown(project, &text));
        let problem = match &found {
            Ok(found) if compare(found) == compare(wanted) => return Ok(wanted.to_owned()),
            Ok(found) => difference(&compare(wanted), &compare(found)),
            Err(problem) => problem.clone(),
        };
        // What comes about a little later is waited for, and a page that is written anew has it, too.
        let patience = if update { PATIENCE / 20 } else { PATIENCE / 3 };
        if once || begun.elapsed() > patience {
            return match found {
                Ok(found) if update => Ok(found),
                _ => Err(format!("`{command}` (- the page, + found); if that is right: UPDATE_GOLDEN=1\n{problem}")),
            };
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

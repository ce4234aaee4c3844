//! What is wrong with the volumes of a Pod, as far as the API server's rules are kept here.

use serde_json::Value;

use super::containers::{descends, label};
use super::{items, text};
use crate::api::Cause;
use crate::api::schema::mistake::{duplicate, forbidden, invalid, required};
use crate::api::schema::path::Path;

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Kinds of volumes, in the order in which the API server looks.
const SOURCES: [&str; 8] =
    ["emptyDir", "hostPath", "secret", "nfs", "persistentVolumeClaim", "downwardAPI", "configMap", "projected"];

/// The names of those that can be mounted, and what is wrong with the others.
pub(super) fn check<'a>(volumes: &'a [Value], path: &Path) -> (Vec<&'a str>, Vec<Cause>) {
    let (mut names, mut causes) = (Vec::new(), Vec::new());
    for (place, volume) in volumes.iter().enumerate() {
        let path = path.index(place);
        let mut wrong = Vec::new();
        let given: Vec<&str> = SOURCES.into_iter().filter(|source| !volume[*source].is_null()).collect();
        for (order, source) in given.iter().enumerate() {
            if order > 0 {
                wrong.push(forbidden(&path.child(source), "may not specify more than 1 volume type"));
            } else {
                wrong.extend(source_of(source, &volume[*source], &path.child(source)));
            }
        }
        let fields = volume.as_object().map_or(0, serde_json::Map::len);
        if given.is_empty() && fields <= 1 {
            wrong.push(required(&path, "must specify a volume type"));
        }
        let name = text(volume, "name");
        wrong.extend(label(name, &path.child("name")));
        if names.contains(&name) {
            wrong.push(duplicate(&path.child("name"), &volume["name"]));
        }
        if wrong.is_empty() {
            names.push(name);
        }
        causes.extend(wrong);
    }
    (names, causes)
}

fn source_of(kind: &str, source: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let needed = match kind {
        "secret" => Some("secretName"),
        "configMap" => Some("name"),
        "hostPath" => Some("path"),
        "persistentVolumeClaim" => Some("claimName"),
        _ => None,
    };
    if let Some(name) = needed.filter(|name| text(source, name).is_empty()) {
        causes.push(required(&path.child(name), ""));
    }
    if kind == "hostPath" && text(source, "path").split('/').any(|part| part == "..") {
        causes.extend(
            descends(text(source, "path"), &path.child("path"))
                .into_iter()
                .filter(|cause| cause.message.contains("'..'")),
        );
    }
    if let Some(mode) = source["defaultMode"].as_i64().filter(|mode| !(0..=0o777).contains(mode)) {
        causes.push(invalid(&path.child("defaultMode"), &mode.into(), MODE));
    }
    for (place, item) in items(source, "items").iter().enumerate() {
        let path = path.child("items").index(place);
        if kind != "downwardAPI" && text(item, "key").is_empty() {
            causes.push(required(&path.child("key"), ""));
        }
        if text(item, "path").is_empty() {
            causes.push(required(&path.child("path"), ""));
        }
        causes.extend(descends(text(item, "path"), &path.child("path")));
        if let Some(mode) = item["mode"].as_i64().filter(|mode| !(0..=0o777).contains(mode)) {
            causes.push(invalid(&path.child("mode"), &mode.into(), MODE));
        }
    }
    causes
}

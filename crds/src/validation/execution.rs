//! What a run may use, and how often it is tried.

use std::time::Duration;

use super::path::Path;
use super::quantity::{parse_bytes, parse_percent, parse_quantity};
use super::report::Report;
use crate::pipeline::{Backoff, Execution, ResourceList, Resources};

/// Below, keeping track of the pieces would cost more than reading them twice.
const SMALLEST_SPLIT: u64 = 64 * 1024;

impl Report {
    pub(super) fn execution(&mut self, path: &Path, execution: &Execution) {
        if let Some(resources) = &execution.resources {
            self.resources(&path.field("resources"), resources);
        }
        if let Some(shards) = execution.shards {
            self.range(&path.field("shards"), shards.into(), 1, 1000);
        }
        if let Some(size) = &execution.split_size
            && !parse_bytes(size).is_ok_and(|bytes| bytes >= SMALLEST_SPLIT)
        {
            let message = format!("`{size}` is no size of at least 64Ki");
            self.add(&path.field("splitSize"), message, "write a number of bytes, as `128Mi` or `1Gi`");
        }
        if let Some(timeout) = &execution.timeout {
            self.duration_from(&path.field("timeout"), timeout, Duration::from_secs(1));
        }
        if let Some(retry) = &execution.retry {
            let path = path.field("retry");
            self.range(&path.field("limit"), retry.limit.into(), 0, 100);
            if let Some(backoff) = &retry.backoff {
                self.backoff(&path.field("backoff"), backoff);
            }
        }
    }

    fn backoff(&mut self, path: &Path, backoff: &Backoff) {
        let initial = self.duration_from(&path.field("initial"), &backoff.initial, Duration::from_millis(1));
        if let Some(factor) = &backoff.factor
            && !factor.parse::<f64>().is_ok_and(|factor| (1.0..=100.0).contains(&factor))
        {
            let message = format!("`{factor}` is not a factor");
            self.add(&path.field("factor"), message, "write a number from 1 to 100, as `\"2\"`");
        }
        if let Some(max) = &backoff.max
            && let (Some(most), Some(initial)) = (self.duration(&path.field("max"), max), initial)
            && most < initial
        {
            let message = format!("`{max}` is shorter than the first pause, `{}`", backoff.initial);
            self.add(&path.field("max"), message, "make `max` as long as `initial` or longer");
        }
    }

    fn resources(&mut self, path: &Path, resources: &Resources) {
        for (field, list) in [("requests", &resources.requests), ("limits", &resources.limits)] {
            for (name, text) in list {
                let path = path.field(field).key(name);
                if !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                    let help = "use `cpu`, `memory` or `ephemeral-storage`";
                    self.add(&path, format!("a run uses no resource `{name}`"), help);
                }
                if parse_quantity(text).map_or(true, |quantity| quantity.is_zero()) {
                    let help = match name.as_str() {
                        "cpu" => "write a number of cores, as `\"2\"` or `500m`",
                        _ => "write a number of bytes, as `512Mi` or `2Gi`",
                    };
                    self.add(&path, format!("`{text}` is not a quantity"), help);
                }
            }
        }
        for (name, text) in &resources.requests {
            if exceeds(text, name, &resources.limits) {
                let message = format!("`{text}` is more than the limit, `{}`", resources.limits[name]);
                self.add(&path.field("requests").key(name), message, "raise the limit, or ask for less");
            }
        }
    }

    pub(super) fn percent(&mut self, path: &Path, text: &str) {
        if parse_percent(text).is_err() {
            let message = format!("`{text}` is not a percentage");
            self.add(path, message, "write a number from 0 to 100 without a sign, as `\"0.5\"`");
        }
    }
}

fn exceeds(request: &str, name: &str, limits: &ResourceList) -> bool {
    let limit = limits.get(name).and_then(|limit| parse_quantity(limit).ok());
    matches!((parse_quantity(request), limit), (Ok(request), Some(limit)) if request > limit)
}

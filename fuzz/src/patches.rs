//! Patches of objects. The first line has letters for the patch: `j` operations, `s` strategic, `a` applied (`f` by force), else
//! merged; and for the object: `p` a Pod, `w` a Widget, else a ConfigMap. The object follows, then, behind a line `---`, the patch.

use aggregator_embedded_kube::api::apply::{Manager, applied, tracked};
use aggregator_embedded_kube::api::patch::{PatchBody, patched};
use aggregator_embedded_kube::api::{Kind, Refusal};
use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::{check_refusal, depth, kind};
use crate::options;

/// What the copies of one patch may add, in bytes.
const COPIED: usize = 3 * 1024 * 1024;
/// How deep a patch may make an object.
const DEEPEST: usize = 128;
/// What a refusal of a patch may be: 500 is what the real API server calls a mistake of its own.
const CODES: [u16; 7] = [400, 409, 413, 415, 422, 500, 504];

/// Any patch of any object is refused with a word about why, or makes another object, the same when it is made again: not much
/// larger than both, nor deeper than can be kept. What is merged twice is merged.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (options, rest) = options::split(input);
    let (live, bytes) = halves(rest);
    let Some(live) = serde_json::from_slice::<Value>(live).ok().filter(Value::is_object) else { return "no object" };
    let kind = if options.contains('p') {
        kind("v1", "Pod")
    } else if options.contains('w') {
        kind("example.com/v1", "Widget")
    } else {
        kind("v1", "ConfigMap")
    };
    let kind = kind.expect("a kind that is served");
    let letters = [('j', "json-patch+json"), ('s', "strategic-merge-patch+json"), ('a', "apply-patch+yaml")];
    let named = letters.into_iter().find(|(letter, _)| options.contains(*letter));
    let content = format!("application/{}", named.map_or("merge-patch+json", |(_, name)| name));
    let patch = match PatchBody::read(kind, &content, bytes) {
        Ok(patch) => patch,
        Err(refusal) => {
            check_refusal(&refusal, &CODES);
            return "no patch";
        }
    };
    let act = Act { kind, patch: &patch, force: options.contains('f') };
    let made = act.on(&live);
    assert_eq!(act.on(&live), made, "made again");
    let object = match made {
        Ok(object) => object,
        Err(refusal) => {
            check_refusal(&refusal, &CODES);
            return "refused";
        }
    };
    assert!(object.is_object(), "{object}");
    check_bounds(&live, &patch, bytes.len(), &object);
    if let PatchBody::Merge(merged) = &patch
        && !drops_in_lists(merged, false)
    {
        assert_eq!(act.on(&object).as_ref(), Ok(&object), "what is merged twice is merged");
    }
    let owned = tracked(kind, Some(&live), object.clone(), &manager(), Timestamp::UNIX_EPOCH);
    assert!(owned.is_object(), "{owned}");
    if object == live { "nothing" } else { "changed" }
}

struct Act<'a> {
    kind: &'a Kind,
    patch: &'a PatchBody,
    force: bool,
}

impl Act<'_> {
    fn on(&self, live: &Value) -> Result<Value, Refusal> {
        match self.patch {
            PatchBody::Apply(configuration) => {
                applied(self.kind, Some(live), configuration, &manager(), self.force, Timestamp::UNIX_EPOCH)
            }
            patch => patched(self.kind, live, patch),
        }
    }
}

fn manager() -> Manager {
    Manager::named("fuzz", "", "")
}

fn halves(text: &[u8]) -> (&[u8], &[u8]) {
    const LINE: &[u8] = b"\n---\n";
    match text.windows(LINE.len()).position(|window| window == LINE) {
        Some(place) => (&text[..place], &text[place + LINE.len()..]),
        None => (text, &b""[..]),
    }
}

fn check_bounds(live: &Value, patch: &PatchBody, bytes: usize, object: &Value) {
    let deepest = depth(live).max(DEEPEST);
    assert!(depth(object) <= deepest + 8, "the object is {} deep", depth(object));
    let (before, after) = (live.to_string().len(), object.to_string().len());
    // A number may be written in fewer letters than it has digits.
    let most = match patch {
        // Who owns what comes along, and texts of YAML may stand for others.
        PatchBody::Apply(configuration) => 1024 + 10 * (before + configuration.to_string().len()),
        PatchBody::Operations(_) => before + 8 * bytes + COPIED,
        PatchBody::Merge(_) | PatchBody::Strategic(_) => before + 8 * bytes + 1024,
    };
    assert!(after <= most, "{before} and {bytes} bytes make {after}");
}

/// Whether nulls are to be dropped in a list, which happens only where no map was before, as with the real API server.
fn drops_in_lists(patch: &Value, within: bool) -> bool {
    match patch {
        Value::Object(fields) => {
            fields.values().any(|field| (within && field.is_null()) || drops_in_lists(field, within))
        }
        Value::Array(items) => items.iter().any(|item| drops_in_lists(item, true)),
        _ => false,
    }
}

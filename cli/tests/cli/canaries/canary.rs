//! Values that occur nowhere else, and every form in which one may be written.

use aggregator_tests::random::Random;
use k8s_openapi::ByteString;

/// A value, and where it stands.
struct Canary {
    place: String,
    value: String,
    forms: Vec<(&'static str, String)>,
    /// Whether it is enough that somebody has read it; otherwise it must pass a wire.
    read: bool,
    used: bool,
    /// Of what is no secret: whether it was shown.
    public: Option<bool>,
}

/// All values.
#[derive(Default)]
pub(super) struct Canaries {
    planted: Vec<Canary>,
    found: Vec<String>,
}

impl Canaries {
    /// A new value, to be put into that place, from which it must get onto a wire.
    pub(super) fn plant(&mut self, place: &str) -> String {
        self.planted_as(place, false, None)
    }

    /// A new value for a place from which it goes nowhere: it must be read.
    pub(super) fn plant_read(&mut self, place: &str) -> String {
        self.planted_as(place, true, None)
    }

    /// A new value that is no secret: it may be shown, and must be, somewhere.
    pub(super) fn plant_public(&mut self, place: &str) -> String {
        self.planted_as(place, true, Some(false))
    }

    fn planted_as(&mut self, place: &str, read: bool, public: Option<bool>) -> String {
        let value = value(self.planted.len() as u64);
        let forms = forms(&value);
        let used = false;
        self.planted.push(Canary { place: place.to_owned(), value: value.clone(), forms, read, used, public });
        value
    }

    /// Every value in the text has passed a wire: a server has seen or sent it, or has refused or taken what was proven
    /// by it.
    pub(super) fn passed(&mut self, text: &str) {
        for canary in &mut self.planted {
            // Half a value is none.
            let mut whole = canary.forms.iter().filter(|(form, _)| form.starts_with("base64"));
            canary.used |= text.contains(&canary.value) || whole.any(|(_, form)| text.contains(form));
        }
    }

    /// Every value in the text was read by the program.
    pub(super) fn read(&mut self, text: &str) {
        for canary in self.planted.iter_mut().filter(|canary| canary.read && text.contains(&canary.value)) {
            canary.used = true;
        }
    }

    /// Looks for all values in what the program wrote.
    pub(super) fn search(&mut self, what: &str, text: &str) {
        let folded = text.to_lowercase();
        for canary in &mut self.planted {
            for (form, shown) in &canary.forms {
                // Base64 is the one form in which letters differ by their case.
                let within = if form.starts_with("base64") { text } else { &folded };
                let Some(at) = within.find(shown) else { continue };
                if canary.public.is_some() {
                    canary.public = Some(true);
                } else {
                    let line = within[..at].rfind('\n').map_or(0, |end| end + 1);
                    let line: String = within[line..].lines().next().unwrap_or_default().chars().take(900).collect();
                    self.found.push(format!("{}, {form}, in {what}:\n    {line}", canary.place));
                }
                break;
            }
        }
    }

    /// No secret was found, each value was used, and what may be shown was. Gives how many secrets there are.
    pub(super) fn check(&self) -> usize {
        assert!(self.found.is_empty(), "{} times, a canary is shown:\n{}", self.found.len(), self.found.join("\n"));
        let idle: Vec<&str> =
            self.planted.iter().filter(|canary| !canary.used).map(|canary| canary.place.as_str()).collect();
        assert!(idle.is_empty(), "nobody has used {idle:?}");
        let hidden: Vec<&str> = self
            .planted
            .iter()
            .filter(|canary| canary.public == Some(false))
            .map(|canary| canary.place.as_str())
            .collect();
        assert!(hidden.is_empty(), "these may be shown, and were not: {hidden:?}");
        self.planted.iter().filter(|canary| canary.public.is_none()).count()
    }
}

/// Small letters and digits, without a pattern that the numbers around it share.
fn value(number: u64) -> String {
    let mut random = Random::from_seed(number);
    (0..26).map(|_| char::from(*random.pick(b"abcdefghijklmnopqrstuvwxyz234567"))).collect()
}

/// The value's halves, because a message may be cut; and the whole as encodings write it.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let bytes = value.as_bytes();
    let each = |write: fn(&u8) -> String, between: &str| bytes.iter().map(write).collect::<Vec<_>>().join(between);
    let mut forms = vec![
        ("its first half", value[..13].to_owned()),
        ("its second half", value[13..].to_owned()),
        ("hex", each(|byte| format!("{byte:02x}"), "")),
        ("percent-encoded", each(|byte| format!("%{byte:02x}"), "")),
        ("as a list of bytes", each(u8::to_string, ", ")),
        ("as a list of hex bytes", each(|byte| format!("{byte:02x}"), ", ")),
    ];
    // What stands before the value shifts it by up to two bytes; characters that the neighbours share are left out.
    for (name, shift) in [("base64", 0), ("base64, shifted by 1", 1), ("base64, shifted by 2", 2)] {
        let shifted = ByteString([vec![b' '; shift], bytes.to_vec()].concat());
        let text = serde_json::to_value(shifted).expect("text").as_str().expect("text").to_owned();
        let begin = [0, 2, 3][shift];
        let end = (shift + bytes.len()) / 3 * 4;
        forms.push((name, text[begin..end].to_owned()));
    }
    forms
}

#[test]
fn a_value_is_found_in_each_form_and_only_then() {
    for (text, found) in [
        ("nothing", false),
        ("x {} y", true),
        ("upper {U}", true),
        ("cut {13}…", true),
        ("basic {B}", true),
        ("bytes {L}", true),
    ] {
        let mut canaries = Canaries::default();
        let value = canaries.plant("a place");
        let basic = ByteString(format!("user:{value}").into_bytes());
        let text = text
            .replace("{}", &value)
            .replace("{U}", &value.to_uppercase())
            .replace("{13}", &value[..13])
            .replace("{B}", serde_json::to_value(basic).expect("text").as_str().expect("text"))
            .replace("{L}", &format!("{:?}", value.as_bytes()));
        canaries.search("a text", &text);
        assert_eq!(!canaries.found.is_empty(), found, "{text}");
    }
}

#[test]
#[should_panic(expected = "nobody has used [\"another place\"]")]
fn a_value_that_nobody_used_proves_nothing() {
    let mut canaries = Canaries::default();
    let (seen, _) = (canaries.plant("a place"), canaries.plant("another place"));
    canaries.passed(&seen);
    canaries.check();
}

#[test]
#[should_panic(expected = "nobody has used [\"a place\"]")]
fn a_value_that_was_only_read_has_passed_no_wire() {
    let mut canaries = Canaries::default();
    let value = canaries.plant("a place");
    canaries.read(&value);
    canaries.check();
}

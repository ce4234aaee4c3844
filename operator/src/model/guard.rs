//! The staleness guard, as `crate::expectations` has it: nobody is planned whose last write the caches have not seen.

use super::object::{Object, Stored};
use super::stage::{Expected, Operator};

/// After so many seconds a child is not waited for any more (`expectations::FORGOTTEN`), and after so many the end of one that
/// was deleted (`expectations::DELETED`).
pub(super) const FORGOTTEN: u32 = 300;
pub(super) const DELETED: u32 = 10;

/// Whether the caches have still to see a write that was made so many seconds ago. Versions of one name grow, also over several
/// objects of it.
fn is_awaited(expected: &Expected, there: Option<Object>, age: u32) -> bool {
    match (expected.version, there) {
        (Some(version), Some(there)) if there.version >= version => false,
        (Some(_), Some(_)) if expected.own => true,
        (None, Some(there)) if super::object::life(there.uid()) != expected.life || there.is_going() => false,
        (None, None) => false,
        (None, Some(_)) => age < DELETED,
        (Some(_), _) => age < FORGOTTEN,
    }
}

impl Operator {
    /// Forgets writes that its caches have seen, or that are not waited for any more.
    ///
    /// What is shipped forgets them when it looks: of one that was seen, and is gone again, it knows by the newest version that
    /// the watch of its kind has told of. Here each is forgotten when it is seen ([`Self::saw`]): versions of a kind are not
    /// numbered together. The model allows more looks than there are, and none less.
    pub(super) fn forget(&mut self, now: u32) {
        let mut expected = std::mem::take(&mut self.expected);
        expected.retain(|it| is_awaited(it, self.cached(it.place), now.saturating_sub(it.since)));
        expected.sort_unstable();
        expected.dedup();
        self.expected = expected;
    }

    /// A watch has told of an object in this version, be it the last one: what was written up to it is seen.
    pub(super) fn saw(&mut self, object: Object) {
        let is_seen = |it: &Expected| it.version.is_some_and(|version| object.version >= version);
        self.expected.retain(|it| it.place != object.place() || !is_seen(it));
    }

    /// The watch of a kind begins anew: of a child that is not there any more it may not hear, and a newer version of another
    /// one of the kind is enough for what is shipped.
    pub(super) fn listed(&mut self, kind: Stored) {
        self.expected.retain(|it| it.place.kind() != kind || it.own || it.version.is_none());
    }

    /// Whether the caches have seen everything that was written for that object.
    pub(super) fn has_seen_all(&self, key: u8) -> bool {
        self.expected.iter().all(|expected| expected.key != key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use aggregator_tests::random::Random;
    use serde_json::json;

    use super::super::object::{Content, NAMESPACE, Place};
    use super::*;
    use crate::action::Kind;
    use crate::execute::Written;
    use crate::expectations::Expectations;
    use crate::pipeline::Checks;
    use crate::routes::Key;
    use crate::world::{Cache, World};

    /// A run of a name, of that life, in that version.
    fn run(life: u8, version: u16, going: bool) -> (Object, World) {
        let mut json = json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": "a", "namespace": NAMESPACE, "uid": super::super::object::uid(Kind::PipelineRun, "a", life)},
            "spec": {"pipelineRef": {"name": "move"}},
        });
        if going {
            json["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z".into();
        }
        let object = Object { content: Content::of(json.clone(), Default::default()), version };
        json["metadata"]["resourceVersion"] = version.to_string().into();
        let typed: aggregator_crds::PipelineRun = crate::fixture::object(json);
        let empty = super::super::typed::world(&[], Checks::default());
        (object, World { runs: Cache::of([std::sync::Arc::new(typed)]), ..empty })
    }

    #[test]
    fn the_guard_of_the_model_is_the_shipped_one() {
        let mut random = Random::seeded("the guard of the model");
        let number = |random: &mut Random| u8::try_from(random.below(3) + 1).expect("a small number");
        let mut held_back = 0;
        for _ in 0..500 {
            let (life, version, going) = (number(&mut random), u16::from(number(&mut random)), random.percent(30));
            let (object, world) = run(life, version, going);
            let there = random.percent(80);
            let world = if there { world } else { super::super::typed::world(&[], Checks::default()) };
            let (of, wanted) = (number(&mut random), u16::from(number(&mut random)));
            let (name, kind) = ("a".to_owned(), Kind::PipelineRun);
            let (expected, written) = if random.percent(50) {
                let resource_version = wanted.to_string();
                (Some(wanted), Written::Version { kind, name, resource_version, found: false })
            } else {
                (None, Written::Gone { kind, name, uid: super::super::object::uid(kind, "a", of) })
            };
            // Whoever was planned has that name, or another one.
            let (own, age) = (random.percent(50), u16::from(random.percent(50)) * 301);
            let name = if own { "a" } else { "b" };
            let key = Key { kind: Kind::PipelineRun, namespace: NAMESPACE.into(), name: name.into() };
            let (shipped, when) = (Expectations::default(), Instant::now());
            shipped.expect_at(&key, written.clone(), when);
            let met = shipped.met_at(&key, &world, when + Duration::from_secs(age.into()));
            let cache = if there { vec![object] } else { Vec::new() };
            let mut operator = Operator { cache, ..Operator::default() };
            let place = Place::of(kind, "a");
            operator.expected.push(Expected { key: 0, place, life: of, version: expected, own, since: 0 });
            operator.forget(age.into());
            let case = format!("{written:?} with {object:?}, there: {there}, own: {own}, after {age} s");
            assert_eq!(operator.has_seen_all(0), met, "{case}");
            held_back += usize::from(!met);
        }
        assert!((50..450).contains(&held_back), "{held_back} of 500 were held back: the test tells little");
    }
}

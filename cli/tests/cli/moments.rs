//! Kill -9 at random moments, over and over, for every source and sink: a run, the attempt that goes on with it, the one
//! after that. Nothing is lost, nothing doubled.
//!
//! A kill counts when it ended a process that was at work. `make soak` does the same with many more. What came of them is
//! noted for docs/reliability.md.

use std::time::{Duration, Instant};

use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::pair::{OF_TABLES, RUN, Round, Sink, Source, World};
use crate::rows::same;
use crate::s3::Store;

/// How many kills each pair gets, unless the environment says otherwise.
const KILLS: u32 = 50;
/// How many attempts of a run are killed before one is let live, at most.
const IN_A_ROW: u32 = 4;
/// One of so many kills is meant for the end of a run, where its commit is: some take a hundredth of its time.
const AT_THE_END: usize = 3;
/// How often as many kills the last pair gets, at most, until one comes after a commit was decided.
const AT_MOST: u32 = 6;

fn kills() -> u32 {
    let wanted = std::env::var("AGGREGATOR_KILLS").ok();
    wanted.map_or(KILLS, |text| text.parse().expect("AGGREGATOR_KILLS is a number"))
}

/// What came of a pair's kills.
struct Killed {
    /// How many ended a process that was at work.
    hit: u32,
    /// How many of them came after the commit was decided.
    decided: u32,
    /// How long a run takes that nobody disturbs.
    length: Duration,
}

impl World {
    /// Kills a run after a time. Says whether it was still at work.
    fn kill_after(&self, time: Duration) -> bool {
        let mut running = self.place.start(RUN);
        std::thread::sleep(time);
        running.signal(Signal::SIGKILL);
        let said = running.wait();
        let killed = said.signal() == Some(Signal::SIGKILL as i32);
        assert!(killed || said.code() == Some(0), "{}: {}{}", self.name, said.stdout, said.stderr);
        self.settle();
        killed
    }

    /// A commit that is decided, of which readers see nothing yet, or a part: names are given one after the other.
    fn halfway(&self) -> Option<String> {
        let records = std::fs::read_dir(self.place.file("out/_aggregator")).into_iter().flatten().flatten();
        let records = records.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "json"));
        let mut texts = records.map(|path| std::fs::read_to_string(path).expect("a record"));
        texts.find(|text| text.contains("\"journal\"")).or_else(|| self.store.as_ref().and_then(Store::copying))
    }

    /// Plays so many kills, and more until one comes after the commit was decided, if there must be one.
    fn play_moments(&self, kills: u32, must: bool) -> Killed {
        let name = &self.name;
        let mut random = Random::seeded(name);
        let (mut round, mut hit, mut decided) = (0, 0, 0);
        self.fill(Round(0));
        let started = Instant::now();
        self.place.ok(RUN);
        let length = started.elapsed();
        let mut shown = self.shape.apply(&[], Round(0));
        same(&format!("{name}, undisturbed"), &self.visible(), &shown);
        while hit < kills || (must && decided == 0 && hit < kills * AT_MOST) {
            round += 1;
            self.fill(Round(round));
            let mut halfway = None;
            for _ in 0..=(random.share() * f64::from(IN_A_ROW)) as u32 {
                let applied = self.shape.apply(&shown, Round(round));
                if !self.kill_after(length.mul_f64(moment(&mut random))) {
                    shown = applied;
                    same(&format!("{name}, round {round}, ended"), &self.visible(), &shown);
                    continue;
                }
                hit += 1;
                let now = self.halfway();
                let between = self.visible();
                // One that was decided before this attempt counts once.
                if (now.is_some() && now != halfway) || (now.is_none() && between == applied) {
                    decided += u32::from(applied != shown);
                    shown = applied;
                } else if now.is_none() {
                    same(&format!("{name}, round {round}, killed"), &between, &shown);
                }
                halfway = now;
            }
            let report = self.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
            shown = self.shape.apply(&shown, Round(round));
            same(&format!("{name}, round {round}, resumed"), &self.visible(), &shown);
        }
        println!("{name}: {hit} kills in runs of {length:?}, {decided} of them after the commit was decided");
        Killed { hit, decided, length }
    }
}

/// When a run is killed, of the time that one takes that nobody disturbs.
fn moment(random: &mut Random) -> f64 {
    let share = random.share();
    if random.below(AT_THE_END) == 0 { 0.85 + share * 0.2 } else { share }
}

/// Every source into a sink, each with one of its modes in turn.
fn all_into(sink: Sink) {
    let modes = if matches!(sink, Sink::File | Sink::S3) { &OF_TABLES[..2] } else { &OF_TABLES[..] };
    let sources = [Source::File, Source::S3, Source::Postgres, Source::Sqlite, Source::Http];
    let mut after = 0;
    for (source, mode) in sources.into_iter().zip(modes.iter().cycle()) {
        let world = World::new(source, sink, *mode);
        if source == Source::Sqlite {
            // To tell later that a file has not changed, a run in pieces waits until its last change is two seconds old.
            // Kills that hit it then show nothing.
            world.edit("splitSize: 64Ki", "splitSize: 10Mi");
        }
        let Killed { hit, decided, length } =
            world.play_moments(kills(), after == 0 && source == sources[sources.len() - 1]);
        after += decided;
        note(
            "kills",
            json!({
                "source": format!("{source:?}"), "sink": format!("{sink:?}"), "mode": format!("{mode:?}"),
                "kills": hit, "decided": decided, "milliseconds": u64::try_from(length.as_millis()).expect("a short run"),
            }),
        );
    }
    assert!(after > 0, "{sink:?}: no kill came after a commit was decided");
}

#[test]
fn every_source_into_files() {
    all_into(Sink::File);
}

#[test]
fn every_source_into_objects() {
    all_into(Sink::S3);
}

#[test]
fn every_source_into_postgres() {
    all_into(Sink::Postgres);
}

#[test]
fn every_source_into_sqlite() {
    all_into(Sink::Sqlite);
}

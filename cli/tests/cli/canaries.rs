//! No secret is shown, whatever happens. Values that occur nowhere else (canaries) stand in every place where a secret
//! or an address may stand; everything that the program writes is searched for them, at the most talkative log level of
//! all crates. Each place is used once by a command that succeeds and once by one that fails, in a way that makes the
//! other side repeat what it was sent.
//!
//! What is no secret may be shown, and is: a user's own SQL literals, parameters and user names. They stand in the
//! manifest or on the command line, and a message without them would not help.
//!
//! A canary that nobody used proves nothing: each must be seen by a server, or in a file that was opened.

mod canary;
mod http;
mod manifests;
mod postgres;
mod repeater;
mod s3;
mod scene;
mod server;
mod targets;
mod watch;

use self::scene::Scene;

#[test]
fn no_canary_is_shown() {
    let mut scene = Scene::new();
    http::from_manifests(&mut scene);
    manifests::broken(&mut scene);
    http::signed(&mut scene);
    http::addressed(&mut scene);
    http::looked_at(&mut scene);
    http::encrypted(&mut scene);
    postgres::real(&mut scene);
    postgres::echoing(&mut scene);
    postgres::encrypted(&mut scene);
    s3::real(&mut scene);
    s3::echoing(&mut scene);
    targets::written(&mut scene);
    for name in ["aggregator_worker", "hyper_util", "sqlx"] {
        assert!(scene.talkative.contains(name), "{name} has said nothing: {:?}", scene.talkative);
    }
    let count = scene.canaries.check();
    assert!(count >= 40, "only {count} canaries were planted");
}

#[test]
fn no_canary_is_shown_to_programs() {
    let mut scene = Scene::for_programs();
    http::signed(&mut scene);
    http::addressed(&mut scene);
    for name in ["aggregator_worker", "hyper_util"] {
        assert!(scene.talkative.contains(name), "{name} has said nothing: {:?}", scene.talkative);
    }
    let spans = scene.search_traces();
    assert!(spans > 100, "only {spans} spans were sent");
    let count = scene.canaries.check();
    assert!(count >= 20, "only {count} canaries were planted");
}

//! Keys of a store: taken by a real one, and repeated by one that refuses them.

use aggregator_tests::s3::S3;

use super::scene::{SECRETS, Scene};

const CONNECTOR: &str = "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: NAME, namespace: test}\n\
                         spec:\n  s3:\n    bucket: \"BUCKET\"\n    endpoint: ENDPOINT\n    credentials:\n      \
                         accessKeyId: {secretKey: id}\n      secretAccessKey: {secretKey: secret}\n";

fn connector(name: &str, bucket: &str, endpoint: &str) -> String {
    CONNECTOR.replace("NAME", name).replace("BUCKET", bucket).replace("ENDPOINT", endpoint)
}

/// A server that knows the keys, and then other ones.
pub(super) fn real(scene: &mut Scene) {
    let (id, secret) =
        (scene.canaries.plant_read("the id of an S3 key"), scene.canaries.plant_read("the secret of an S3 key"));
    let server = S3::start_with(&id, &secret);
    let bucket = server.bucket();
    scene.give("s3.yaml", connector("lake", &bucket.name, &bucket.endpoint));
    scene.give("secrets/connector-lake/id", &id);
    scene.give("secrets/connector-lake/secret", &secret);
    scene.run(&format!("connectors check -f given/s3.yaml --secrets {SECRETS}"), 0);
    let wrong = scene.canaries.plant_read("the wrong secret of an S3 key");
    scene.give("secrets/connector-lake/secret", wrong);
    let said = scene.run(&format!("connectors check -f given/s3.yaml --secrets {SECRETS} -o json"), 3);
    assert!(said.stdout.contains("403 SignatureDoesNotMatch"), "{}", said.stdout);
}

/// A server that repeats all that it is sent, whatever it is asked.
pub(super) fn echoing(scene: &mut Scene) {
    let url = scene.server.url();
    for (name, bucket, code) in [("refused", "lake", 3), ("asked-again", "503", 1)] {
        let manifest = format!("{}      sessionToken: {{secretKey: token}}\n", connector(name, bucket, &url));
        scene.give(&format!("{name}.yaml"), manifest);
        for key in ["id", "token"] {
            let canary = scene.canaries.plant(&format!("the {key} that the store {name} repeats"));
            scene.give(&format!("secrets/connector-{name}/{key}"), canary);
        }
        let canary = scene.canaries.plant_read(&format!("the secret for the store {name}"));
        scene.give(&format!("secrets/connector-{name}/secret"), canary);
        let said = scene.run(&format!("connectors discover -f given/{name}.yaml --secrets {SECRETS} -o json"), code);
        assert!(
            said.stderr.contains("the store answered") || said.stdout.contains("the store answered"),
            "{}",
            said.stderr
        );
    }
}

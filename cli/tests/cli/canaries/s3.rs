//! Keys of a store: taken by a real one, and repeated by one that refuses them.

use aggregator_tests::s3::S3;

use super::scene::{SECRETS, Scene};

const CONNECTOR: &str = "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: NAME, namespace: test}\n\
                         spec:\n  s3:\n    bucket: \"BUCKET\"\n    endpoint: ENDPOINT\n    credentials:\n      \
                         accessKeyId: {secretKey: id}\n      secretAccessKey: {secretKey: secret}\n";

/// A Pipeline that reads from the Connector `lake`, and where it writes to.
const COPY: &str = "---\napiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: out, namespace: test}\n\
                    spec: {file: {root: ../left/out, format: {ndjson: {}}}}\n\
                    ---\napiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: copy, namespace: test}\n\
                    spec:\n  sources: [{name: source, connector: lake, stream: \"*.csv\"}]\n  \
                    sinks: [{name: sink, from: source, connector: out, stream: copied/}]\n";

fn connector(name: &str, bucket: &str, endpoint: &str) -> String {
    CONNECTOR.replace("NAME", name).replace("BUCKET", bucket).replace("ENDPOINT", endpoint)
}

/// A server that knows the keys, and then other ones: asked whether it is there, read, and looked at.
pub(super) fn real(scene: &mut Scene) {
    let (id, secret) =
        (scene.canaries.plant_read("the id of an S3 key"), scene.canaries.plant_read("the secret of an S3 key"));
    let server = S3::start_with(&id, &secret);
    let bucket = server.bucket();
    scene.runtime.block_on(bucket.put("events.csv", "id\n7\n"));
    scene.give("s3.yaml", connector("lake", &bucket.name, &bucket.endpoint) + COPY);
    scene.give("secrets/connector-lake/id", &id);
    let wrong = scene.canaries.plant_read("the wrong secret of an S3 key");
    let given = format!("-f given/s3.yaml --secrets {SECRETS}");
    for (key, code) in [(&secret, 0), (&wrong, 3)] {
        scene.give("secrets/connector-lake/secret", key);
        let said = [
            scene.run(&format!("connectors check {given} -c lake"), code),
            scene.run(&format!("connectors check {given} -c lake -o json"), code),
            scene.run_pipeline("s3.yaml", "copy", code),
            scene.run(&format!("preview {given} --pipeline copy --node source -o json"), code),
            scene.run(&format!("connectors discover {given} -c lake -o json"), code),
        ];
        for said in said {
            let refused = [&said.stdout, &said.stderr].iter().any(|text| text.contains("403 SignatureDoesNotMatch"));
            assert_eq!(refused, code == 3, "{}{}", said.stdout, said.stderr);
        }
    }
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

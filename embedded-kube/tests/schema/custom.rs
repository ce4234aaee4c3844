//! Objects of kinds that CustomResourceDefinitions define.

use aggregator_embedded_kube::api::builtin::of_definition;
use aggregator_embedded_kube::api::schema::{Admitted, Schemas, Strictness};
use aggregator_embedded_kube::api::{Kind, Refusal};
use aggregator_tests::folder;
use aggregator_tests::random::Random;
use serde_json::{Value, json};

use crate::alike::Tally;
use crate::features;
use crate::server::Server;
use crate::values;

/// A kind under test, and where its objects are.
struct Subject {
    kind: Kind,
    path: String,
    schemas: Schemas,
}

impl Subject {
    fn of(definition: &Value, namespace: &str) -> Self {
        let kind = of_definition(definition).expect("a definition").remove(0);
        let path = format!("/apis/{}/namespaces/{namespace}/{}", kind.api_version(), kind.plural);
        Self { kind, path, schemas: Schemas::default() }
    }

    fn object(&self, name: &str) -> Value {
        json!({"apiVersion": self.kind.api_version(), "kind": self.kind.kind, "metadata": {"name": name}})
    }

    /// What this server makes of a body that is to be a new object in a namespace.
    fn create(&self, body: &str, namespace: &str, strictness: Strictness) -> Result<Admitted, Refusal> {
        let mut decoded = self.schemas.decoded(&self.kind, body.as_bytes(), strictness)?;
        decoded.object["metadata"]["namespace"] = namespace.into();
        let mut admitted = self.schemas.created(&self.kind, decoded.object)?;
        admitted.warnings.splice(0..0, decoded.warnings);
        Ok(admitted)
    }

    fn update(&self, body: &str, old: &Value, subresource: &str) -> Result<Admitted, Refusal> {
        let decoded = self.schemas.decoded(&self.kind, body.as_bytes(), Strictness::Warn)?;
        let mut admitted = self.schemas.updated(&self.kind, decoded.object, old, subresource)?;
        admitted.warnings.splice(0..0, decoded.warnings);
        Ok(admitted)
    }
}

fn strictness(random: &mut Random) -> (Strictness, &'static str) {
    match random.below(3) {
        0 => (Strictness::Strict, "Strict"),
        1 => (Strictness::Warn, "Warn"),
        _ => (Strictness::Ignore, "Ignore"),
    }
}

/// Random objects of a kind, new and changed.
fn compare(server: &Server, definition: &Value, namespace: &str, cases: usize, random: &mut Random, tally: &mut Tally) {
    let subject = Subject::of(definition, namespace);
    let mut base: Option<Value> = None;
    for _ in 0..cases {
        let mut object = subject.object("a");
        for part in ["spec", "status"] {
            let schema = &subject.kind.schema["properties"][part];
            if schema.is_object() {
                object[part] = values::value(schema, random, 0);
            }
        }
        if random.below(8) == 0 {
            let mut meta =
                json!({"name": "a", "labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a.b/c"]});
            values::spoil(&mut meta, random);
            object["metadata"] = meta;
        }
        let (strict, name) = strictness(random);
        let body = object.to_string();
        let real = server.ask("POST", &format!("{}?dryRun=All&fieldValidation={name}", subject.path), &body);
        tally.add(&format!("new, {name}, {body}"), &real, &subject.create(&body, namespace, strict), |_| {});
        if real.code >= 300 {
            continue;
        }
        // The first that is admitted is made, and the others become what it is changed to.
        let Some(old) = &base else {
            // By another name: one that is there already is refused.
            object["metadata"] = json!({"name": "base"});
            let made = server.ask("POST", &subject.path, &object.to_string());
            assert_eq!(made.code, 201, "{made:?}");
            base = Some(made.body);
            continue;
        };
        let path = format!("{}/{}", subject.path, old["metadata"]["name"].as_str().expect("a name"));
        let mut changed = old.clone();
        changed["spec"] = object["spec"].clone();
        if random.below(2) == 0 {
            values::spoil(&mut changed["spec"], random);
        }
        let body = changed.to_string();
        let real = server.ask("PUT", &format!("{path}?dryRun=All&fieldValidation=Warn"), &body);
        tally.add(&format!("changed, {body}"), &real, &subject.update(&body, old, ""), |_| {});
        if subject.kind.status && !object["status"].is_null() {
            let mut changed = old.clone();
            changed["status"] = object["status"].clone();
            values::spoil(&mut changed["status"], random);
            let body = changed.to_string();
            let real = server.ask("PUT", &format!("{path}/status?dryRun=All&fieldValidation=Warn"), &body);
            tally.add(&format!("status, {body}"), &real, &subject.update(&body, old, "status"), |_| {});
        }
    }
}

#[test]
fn our_own_kinds_are_admitted_alike() {
    let server = Server::shared();
    let namespace = server.plane.namespace();
    let mut random = Random::seeded("our_own_kinds_are_admitted_alike");
    let mut tally = Tally::of("our own kinds");
    for file in std::fs::read_dir(folder::workspace().join("crds/generated")).expect("a folder") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        let definition: Value = serde_saphyr::from_str(&text).expect("YAML");
        server.define(&definition);
        compare(&server, &definition, namespace.name(), 60, &mut random, &mut tally);
    }
    tally.settle();
}

#[test]
fn every_feature_of_schemas_is_admitted_alike() {
    let server = Server::shared();
    let namespace = server.plane.namespace();
    let mut random = Random::seeded("every_feature_of_schemas_is_admitted_alike");
    let mut tally = Tally::of("every feature");
    let definition = features::definition();
    server.define(&definition);
    compare(&server, &definition, namespace.name(), 400, &mut random, &mut tally);
    tally.settle();
}

#[test]
fn what_is_written_down_for_features_is_admitted_alike() {
    let server = Server::shared();
    let namespace = server.plane.namespace();
    let mut tally = Tally::of("features by hand");
    let definition = features::definition();
    server.define(&definition);
    let subject = Subject::of(&definition, namespace.name());
    for (what, body) in features::bodies(&subject.kind.api_version()) {
        for (strict, name) in
            [(Strictness::Strict, "Strict"), (Strictness::Warn, "Warn"), (Strictness::Ignore, "Ignore")]
        {
            let real = server.ask("POST", &format!("{}?dryRun=All&fieldValidation={name}", subject.path), &body);
            let own = subject.create(&body, namespace.name(), strict);
            tally.add(&format!("{what}, {name}, {body}"), &real, &own, |_| {});
        }
    }
    for (number, (what, before, after)) in features::changes().into_iter().enumerate() {
        let name = format!("c{number}");
        let mut object = subject.object(&name);
        object["spec"] = before;
        let made = server.ask("POST", &subject.path, &object.to_string());
        assert_eq!(made.code, 201, "{what}: {made:?}");
        let mut changed = made.body.clone();
        changed["spec"] = after;
        let body = changed.to_string();
        let real = server.ask("PUT", &format!("{}/{name}?dryRun=All", subject.path), &body);
        tally.add(&format!("{what}, {body}"), &real, &subject.update(&body, &made.body, ""), |_| {});
    }
    tally.settle();
}

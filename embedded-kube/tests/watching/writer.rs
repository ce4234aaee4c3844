//! Who writes: everything that can be done to an object, in any order, and what the API says that it has done.

use std::collections::BTreeMap;

use aggregator_tests::random::Random;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

pub(crate) const NAMESPACES: [&str; 2] = ["demo", "other"];
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const COLORS: [&str; 4] = ["", "red", "green", "blue"];
const SIZES: [&str; 5] = ["", "0", "1", "2", "3"];

/// What the API says that was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Objects, as it gave them back.
    pub(crate) objects: Vec<ConfigMap>,
    /// The UIDs of those that are gone.
    pub(crate) gone: Vec<String>,
    /// How often it refused, by status code.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// How often because somebody else had been faster.
    pub(crate) stale: usize,
}

/// Writes so many times.
pub(crate) async fn write(client: Client, number: usize, mut random: Random, times: usize) -> Done {
    let mut done = Done::default();
    for time in 0..times {
        let (namespace, name) = (*random.pick(&NAMESPACES), *random.pick(&NAMES));
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let act = Act { name, value: format!("{number}-{time}"), manager: format!("m{number}") };
        match act.done(&api, &mut random, &mut done).await {
            Ok(()) => {}
            Err(kube::Error::Api(status)) => {
                assert!([404, 409, 422].contains(&status.code), "{status:?}");
                done.stale += usize::from(status.message.contains("has been modified"));
                *done.refused.entry(status.code).or_default() += 1;
            }
            Err(other) => unreachable!("the API answers: {other}"),
        }
    }
    done
}

/// One write.
struct Act {
    name: &'static str,
    value: String,
    manager: String,
}

impl Act {
    async fn done(&self, api: &Api<ConfigMap>, random: &mut Random, done: &mut Done) -> kube::Result<()> {
        let (create, patch) = (PostParams::default(), PatchParams::default());
        let object = match random.below(20) {
            0..=4 => api.create(&create, &self.object(random)).await?,
            5..=7 => {
                let mut object = api.get(self.name).await?;
                object.data.get_or_insert_default().insert("value".into(), self.value.clone());
                object.metadata.labels = Some(labels(random));
                // Somebody else may be faster now.
                tokio::task::yield_now().await;
                api.replace(self.name, &create, &object).await?
            }
            // Whatever is there.
            8 => api.replace(self.name, &create, &self.object(random)).await?,
            9..=11 => api.patch(self.name, &patch, &Patch::Merge(self.merge(random))).await?,
            12 => {
                let operations = json!([{"op": "add", "path": "/data/value", "value": self.value}]);
                let operations = serde_json::from_value(operations).expect("a patch");
                api.patch(self.name, &patch, &Patch::Json::<()>(operations)).await?
            }
            13 | 14 => {
                let apply = PatchParams::apply(&self.manager).force();
                api.patch(self.name, &apply, &Patch::Apply(self.object(random))).await?
            }
            // Changes nothing.
            15 => api.patch(self.name, &patch, &Patch::Merge(json!({}))).await?,
            16 => {
                let holds = if random.percent(30) { json!(["example.com/hold"]) } else { Value::Null };
                let held = json!({"metadata": {"finalizers": holds}});
                api.patch(self.name, &patch, &Patch::Merge(held)).await?
            }
            17 if random.percent(20) => {
                let some = ListParams::default().labels("color=green");
                // It says what was there, and not what has become of it.
                api.delete_collection(&DeleteParams::default(), &some).await?;
                return Ok(());
            }
            _ => {
                let answer = api.delete(self.name, &DeleteParams::default()).await?;
                if let Some(status) = answer.as_ref().right() {
                    let details = status.details.as_ref().expect("what is gone is named");
                    done.gone.push(details.uid.clone());
                }
                match answer.left() {
                    // It is held.
                    Some(object) => object,
                    None => return Ok(()),
                }
            }
        };
        assert_eq!(object.name_any(), self.name);
        done.objects.push(object);
        Ok(())
    }

    fn object(&self, random: &mut Random) -> ConfigMap {
        let object = json!({
            "metadata": {"name": self.name, "labels": labels(random)},
            "data": {"value": self.value},
        });
        serde_json::from_value(object).expect("an object")
    }

    fn merge(&self, random: &mut Random) -> Value {
        let label = |value: &str| if value.is_empty() { Value::Null } else { value.into() };
        let (color, size) = (*random.pick(&COLORS), *random.pick(&SIZES));
        let (color, size) = (label(color), label(size));
        json!({"metadata": {"labels": {"color": color, "size": size}}, "data": {"value": self.value}})
    }
}

fn labels(random: &mut Random) -> BTreeMap<String, String> {
    let some = [("color", *random.pick(&COLORS)), ("size", *random.pick(&SIZES))];
    let some = some.into_iter().filter(|(_, value)| !value.is_empty());
    some.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

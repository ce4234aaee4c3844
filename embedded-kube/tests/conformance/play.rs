//! Does the steps of a case on a plane.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::case::{Act, Case, Holds};
use crate::kubectl::Following;
use crate::masks::Masks;
use crate::planes::Plane;
use crate::request::Request;
use crate::stage::Stage;

/// How long a kubectl may take to put lines out.
const SPEAKS: std::time::Duration = std::time::Duration::from_secs(30);

/// A case on a plane.
struct Play {
    stage: Stage,
    following: Option<Following>,
    masks: Masks,
}

/// The answers of all steps, in their order, as they can be compared.
pub(crate) async fn play(plane: Arc<Plane>, case: Arc<Case>) -> Vec<Value> {
    let stage = Stage::open(plane, case.name).await;
    let mut play = Play { stage, following: None, masks: Masks::default() };
    let mut answers = Vec::new();
    for step in &case.steps {
        let answer = play.act(&step.act).await;
        play.masks.learn(&answer);
        answers.push(match step.view {
            Some(view) => view(answer),
            None => answer,
        });
    }
    play.look().await;
    // Only now is it known what names mean.
    answers.into_iter().map(|answer| play.masks.answer(answer)).collect()
}

impl Play {
    async fn act(&mut self, act: &Act) -> Value {
        let stage = &self.stage;
        match act {
            Act::Create(objects) => {
                let mut answers = Vec::new();
                for object in objects {
                    let answer = stage.create(object).await;
                    self.masks.learn(&answer);
                    answers.push(if answer["status"] == 201 { json!(201) } else { answer });
                }
                answers.into()
            }
            Act::File { name, text } => {
                let written = std::fs::write(stage.home.join(name), stage.filled(text));
                json!({"failed": written.err().map(|error| error.to_string())})
            }
            Act::Kubectl(command) => command.run(stage).await,
            Act::Start(command) => match command.start(stage).await {
                Ok(following) => {
                    self.following = Some(following);
                    Value::Null
                }
                Err(error) => json!({"failed": error}),
            },
            Act::Lines(count) => self.lines(*count).await,
            Act::End { kill } => match self.following.take() {
                Some(following) => following.end(*kill).await,
                None => json!({"failed": "nothing was started"}),
            },
            Act::Ask(request) => stage.ask(request.clone()).await,
            Act::Replace { path, change } => {
                let mut object = stage.get(path).await["body"].take();
                change(&mut object);
                stage.ask(Request::new("PUT", path).json(&object)).await
            }
            Act::Until { path, holds } => {
                let so = stage.until(path, |answer| is_so(answer, holds)).await;
                self.look().await;
                told(so)
            }
            Act::Allowed(spec) => {
                let review =
                    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                let request = Request::new("POST", path).json(&review);
                told(stage.until_answered(&request, |answer| answer["body"]["status"]["allowed"] == true).await)
            }
            Act::Defined { group, plural } => told(stage.until_defined(&stage.filled(group), plural).await),
            Act::Remember { path } => {
                let answer = stage.get(path).await;
                let version = answer["body"]["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                self.stage.version = version.to_owned();
                answer["status"].clone()
            }
            Act::Code(code) => code(stage.clone()).await,
        }
    }

    async fn lines(&self, count: usize) -> Value {
        let Some(following) = &self.following else { return json!({"failed": "nothing was started"}) };
        let started = std::time::Instant::now();
        while following.lines() < count && started.elapsed() < SPEAKS {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        // What there is instead is told at the end.
        Value::Null
    }

    /// Takes in the names of Pods, which texts have.
    async fn look(&mut self) {
        let pods = self.stage.get("{core}/pods").await;
        self.masks.learn(&pods);
    }
}

fn is_so(answer: &Value, holds: &Holds) -> bool {
    match holds {
        Holds::Gone => answer["status"] == 404,
        Holds::Equal(pointer, value) => answer["status"] == 200 && answer["body"].pointer(pointer) == Some(value),
        Holds::That(is_so) => answer["status"] == 200 && is_so(&answer["body"]),
    }
}

fn told(so: Result<(), Value>) -> Value {
    match so {
        Ok(()) => json!("so"),
        Err(answer) => json!({"not so": answer}),
    }
}

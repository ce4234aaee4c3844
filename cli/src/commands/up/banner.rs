//! What is said when the cluster is there: where it is, as whom it can be used, and what to type next.

use std::path::Path;

use serde::Serialize;

/// What is said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    /// The kubeconfig of whoever has started it.
    pub(super) kubeconfig: String,
    /// Where the API is.
    pub(super) url: String,
    /// The folder with everything in it, if it keeps anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_dir: Option<String>,
    /// One user for each role.
    pub(super) users: Vec<Known>,
    /// Where the demo's result is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) demo: Option<String>,
    /// The folder whose manifests are applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watch: Option<String>,
}

/// Who is known to the cluster.
#[derive(Debug, Serialize)]
pub(super) struct Known {
    pub(super) user: String,
    pub(super) kubeconfig: String,
}

impl Told {
    /// In lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "A cluster in this process, with the operator and one node, until Ctrl-C. NOT FOR PRODUCTION:\n\
             Pods are processes of yours with no walls between them, and Secrets are plain text on the disk.\n\n",
        );
        let export = format!("export KUBECONFIG={}\n", quoted(&self.kubeconfig));
        text.push_str(&export);
        text.push('\n');
        let kept = self.data_dir.as_deref().unwrap_or("in memory, and gone at the end");
        let mut facts = vec![("API", self.url.as_str()), ("data", kept)];
        facts.extend(self.demo.as_deref().map(|folder| ("demo", folder)));
        facts.extend(self.watch.as_deref().map(|folder| ("watching", folder)));
        for (what, fact) in facts {
            text.push_str(&format!("{what:<10}{fact}\n"));
        }
        text.push_str("\nIn another terminal:\n\n");
        text.push_str(&export);
        for line in self.next() {
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("\nWho may do everything is root, above. As one of the roles, in all namespaces:\n\n");
        for Known { user, kubeconfig } in &self.users {
            text.push_str(&format!("{user:<10}{kubeconfig}\n"));
        }
        text
    }

    /// What to type next.
    fn next(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut namespace = "";
        if let Some(folder) = &self.demo {
            namespace = " --namespace demo";
            lines.push(format!("cat {}", quoted(&Path::new(folder).join("turnover.csv").display().to_string())));
        } else if self.watch.is_none() {
            lines.push("kubectl apply -f FOLDER".to_owned());
        }
        lines.push("kubectl get aggregator --all-namespaces".to_owned());
        lines.push(format!("kubectl get pipelineruns --watch{namespace}"));
        lines.push(format!("aggregator get pipelineruns{namespace}"));
        lines
    }
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@:,=%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(data_dir: Option<&str>, demo: Option<&str>) -> Told {
        let known = |user: &str| Known { user: user.to_owned(), kubeconfig: format!("/d/kubeconfig/{user}") };
        Told {
            kubeconfig: "/d/kubeconfig/root".into(),
            url: "https://127.0.0.1:7443".into(),
            data_dir: data_dir.map(str::to_owned),
            users: vec![known("admin"), known("viewer")],
            demo: demo.map(str::to_owned),
            watch: None,
        }
    }

    #[test]
    fn people_are_told_where_it_is_and_what_to_type() {
        let expected = "\
A cluster in this process, with the operator and one node, until Ctrl-C. NOT FOR PRODUCTION:
Pods are processes of yours with no walls between them, and Secrets are plain text on the disk.

export KUBECONFIG=/d/kubeconfig/root

API       https://127.0.0.1:7443
data      /d

In another terminal:

export KUBECONFIG=/d/kubeconfig/root
kubectl apply -f FOLDER
kubectl get aggregator --all-namespaces
kubectl get pipelineruns --watch
aggregator get pipelineruns

Who may do everything is root, above. As one of the roles, in all namespaces:

admin     /d/kubeconfig/admin
viewer    /d/kubeconfig/viewer
";
        assert_eq!(told(Some("/d"), None).text(), expected);
        let demo = told(None, Some("/d/demo")).text();
        for line in [
            "data      in memory, and gone at the end\n",
            "demo      /d/demo\n",
            "cat /d/demo/turnover.csv\n",
            "kubectl get pipelineruns --watch --namespace demo\n",
        ] {
            assert!(demo.contains(line), "{line} is not in\n{demo}");
        }
    }

    #[test]
    fn programs_are_told_the_same() {
        let value = serde_json::to_value(told(Some("/d"), None)).expect("JSON");
        let users = json!([
            {"user": "admin", "kubeconfig": "/d/kubeconfig/admin"},
            {"user": "viewer", "kubeconfig": "/d/kubeconfig/viewer"},
        ]);
        let expected = json!({
            "kubeconfig": "/d/kubeconfig/root",
            "url": "https://127.0.0.1:7443",
            "dataDir": "/d",
            "users": users,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in [("/a/b-c_1.x", "/a/b-c_1.x"), ("/a b", "'/a b'"), ("/it's", "'/it'\\''s'"), ("", "''")] {
            assert_eq!(quoted(path), word);
        }
    }
}

//! The pages of a server that says anything. The first line has the kind of pagination: `n` a link in the answer, `l` a `Link`
//! header, `c` a cursor, `p` pages, `s` pages of three, `o` offsets of three; `m` means a POST. Answers follow, with lines
//! `---` between: of each, lines `Link: …`, if any, and the body.

use aggregator_crds::connector::HttpEndpoint;
use aggregator_worker::fuzzing::{Answer, follow};
use serde_json::json;
use url::Url;

use crate::options;

/// No request is sent twice, so no server can hold a read for ever; none goes to another origin or carries what the server has put
/// into its place for credentials; and each says which page it is.
pub(crate) fn run(input: &[u8]) -> &'static str {
    const MOST: usize = 40;
    let (options, text) = options::split(input);
    let base = Url::parse("https://api.example/v2").expect("an address");
    let answers = answers(text);
    let (asked, fault) = follow(&endpoint(&options), &base, MOST, |number| answers[number % answers.len()].clone())
        .expect("an endpoint that is declared rightly");
    assert!(!asked.is_empty() && asked.len() <= MOST);
    for (number, one) in asked.iter().enumerate() {
        assert_eq!(one.url.origin(), base.origin(), "request {number} leaves the origin");
        assert_eq!((one.url.username(), one.url.password()), ("", None), "request {number} carries credentials");
        let again = asked[..number].iter().find(|before| (&before.url, &before.body) == (&one.url, &one.body));
        assert!(again.is_none(), "request {number} is sent again: {}", one.url);
    }
    match fault {
        Some(fault) => {
            assert!(!fault.is_empty(), "nothing is said");
            "refused"
        }
        None if asked.len() == MOST => "endless",
        None if asked.len() == 1 => "one page",
        None => "pages",
    }
}

fn endpoint(options: &str) -> HttpEndpoint {
    let kinds = [
        ('n', json!({"nextLink": "$.next"})),
        ('l', json!({"linkHeader": {}})),
        ('c', json!({"cursor": {"token": "$.next", "parameter": "after"}})),
        ('p', json!({"page": {"parameter": "page"}})),
        ('s', json!({"page": {"parameter": "page", "start": 0, "sizeParameter": "size", "size": 3}})),
        ('o', json!({"offset": {"parameter": "from", "sizeParameter": "size", "size": 3}})),
    ];
    let mut endpoint = json!({"name": "things", "path": "/things?kind=a", "records": "$.data[*]"});
    if let Some((_, kind)) = kinds.iter().find(|(letter, _)| options.contains(*letter)) {
        endpoint["pagination"] = kind.clone();
    }
    if options.contains('m') {
        endpoint["method"] = json!("Post");
        endpoint["body"] = json!("{\"filter\": \"x\"}");
    }
    serde_json::from_value(endpoint).expect("an endpoint")
}

/// The answers of a text; there is always one.
fn answers(text: &[u8]) -> Vec<Answer> {
    let mut answers = vec![Answer::default()];
    let mut head = true;
    for line in text.split(|byte| *byte == b'\n') {
        if line == b"---" {
            answers.push(Answer::default());
            head = true;
            continue;
        }
        let Some(answer) = answers.last_mut() else { continue };
        match line.strip_prefix(b"Link: ") {
            Some(link) if head => answer.links.push(link.to_vec()),
            _ => {
                head = false;
                answer.body.extend_from_slice(line);
                answer.body.push(b'\n');
            }
        }
    }
    answers
}

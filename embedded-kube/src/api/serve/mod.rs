//! Answers requests.
//!
//! ```text
//! request ─► guard: who, may they ─► registry: which kind ─► read: get, list, watch ─► form ─► answer
//!                                                        └─► write: decode, patch, check, admit ─► store ─┘
//! ```

mod admission;
mod answer;
mod audit;
mod bind;
mod body;
mod definitions;
mod event;
mod evict;
mod expiry;
mod form;
mod guard;
mod port;
mod quota;
mod read;
mod registry;
mod review;
mod service;
#[cfg(test)]
mod testing;
mod texts;
mod write;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::access::{Index, Issuer, KeyError, Tokens, User};
use super::follow::Pages;
use super::openapi::{self, OpenApi};
use super::request::{Document, Target, query};
use super::schema::Schemas;
use super::store::{Store, StoreError};
use super::{Kind, Refusal, discovery};

pub use admission::{Admission, AdmissionRequest, Operation};
pub use audit::Audit;
pub use port::{Port, PortError};
pub use service::{Service, in_process};

use answer::Answer;
use guard::Guard;
use registry::Registry;
use texts::Texts;

/// The version that is told to clients: of Kubernetes, and of what serves it.
pub const VERSION: &str = "v1.37.2+embedded";
/// Where each API is told to be found.
const ADDRESS: &str = "127.0.0.1";

/// Who has the logs of containers.
#[async_trait::async_trait]
pub trait Logs: Send + Sync {
    /// The log of a Pod, with the options of the request's query.
    ///
    /// # Errors
    /// When it cannot be had.
    async fn log(&self, pod: &Value, query: &str) -> Result<Body, Refusal>;
}

/// What an API is made of.
pub struct Parts {
    /// Where objects are kept.
    pub store: Store,
    /// The tokens of users.
    pub tokens: Tokens,
    /// Who gives out tokens of ServiceAccounts.
    pub issuer: Issuer,
    /// What is asked before anything is written, in this order.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Who has the logs of containers, if anybody has.
    pub logs: Option<Arc<dyn Logs>>,
    /// Where requests are written down, if anywhere.
    pub audit: Option<Audit>,
}

impl Parts {
    /// A store and nothing else: nobody has a token, a new key signs those of ServiceAccounts, and nothing is written down.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn over(store: Store) -> Result<Self, KeyError> {
        let issuer = Issuer::of_cluster(&Issuer::generate()?)?;
        Ok(Self { store, tokens: Tokens::default(), issuer, admission: Vec::new(), logs: None, audit: None })
    }
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: Store,
    registry: RwLock<Arc<Registry>>,
    /// Definitions are taken in one at a time.
    defining: Mutex<()>,
    openapi: RwLock<Arc<OpenApi>>,
    schemas: Schemas,
    pages: Pages,
    /// What watches were told last.
    texts: Arc<Texts>,
    guard: Guard,
    /// Who may what: changed before anybody sees that a role has.
    roles: Arc<RwLock<Index>>,
    admission: Vec<Arc<dyn Admission>>,
    logs: Option<Arc<dyn Logs>>,
    audit: Option<Audit>,
    /// Watches end with it.
    closed: CancellationToken,
}

/// A request, whose body has arrived.
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whom the client's certificate is for, or who asks within this process.
    pub certified: Option<User>,
    /// What the client is warned of even if the request is refused.
    pub warned: Mutex<Vec<String>>,
}

impl Asked {
    /// Warns of this, and of nothing else, should the request be refused.
    fn warn(&self, warnings: &[String]) {
        *self.warned.lock().unwrap_or_else(PoisonError::into_inner) = warnings.to_vec();
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        Answer::refusal(refusal).warning(&self.warned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Api {
    /// An API over a store: with the default roles, and the kinds that the store has definitions of.
    ///
    /// # Errors
    /// When the default roles cannot be written.
    pub async fn open(parts: Parts) -> Result<Self, StoreError> {
        let Parts { store, tokens, issuer, admission, logs, audit } = parts;
        let registry = Registry::of(&store);
        let openapi = OpenApi::new(&registry.with_schemas());
        let roles = guard::roles(&store);
        let api = Self(Arc::new(Inner {
            store,
            registry: RwLock::new(Arc::new(registry)),
            defining: Mutex::new(()),
            openapi: RwLock::new(Arc::new(openapi)),
            schemas: Schemas::default(),
            pages: Pages::default(),
            texts: Arc::default(),
            guard: Guard::new(tokens, issuer),
            roles,
            admission,
            logs,
            audit,
            closed: CancellationToken::new(),
        }));
        api.seed().await?;
        api.resume_definitions().await;
        api.expire_events();
        Ok(api)
    }

    /// Answers a request.
    pub async fn answer(&self, asked: Asked) -> Response<Body> {
        let answered = self.answered(&asked).await;
        let refusal = answered.as_ref().err().filter(|_| self.0.audit.is_some()).cloned();
        let answer = answered.unwrap_or_else(|refusal| asked.refused(&refusal)).response(&asked.method);
        if let Some(audit) = &self.0.audit
            && let Ok(user) = self.who(&asked, Timestamp::now())
        {
            audit.note(&asked, &user, answer.status(), refusal.as_ref());
        }
        answer
    }

    /// Ends every watch, so that whoever has one looks for another server.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    /// The kind with that name in a group and version, if it is served.
    #[must_use]
    pub fn kind(&self, api_version: &str, name: &str) -> Option<Kind> {
        self.registry().named(api_version, name).cloned()
    }

    async fn answered(&self, asked: &Asked) -> Result<Answer, Refusal> {
        let now = Timestamp::now();
        let user = self.who(asked, now)?;
        let Some(target) = Target::of(asked.uri.path()) else {
            self.check_path(&user, asked)?;
            return self.nothing_at(asked.uri.path());
        };
        match target {
            Target::Document(document) => {
                self.check_path(&user, asked)?;
                self.document(asked, &document)
            }
            Target::Resource(path) => self.resource(asked, user, path, now).await,
        }
    }

    fn document(&self, asked: &Asked, document: &Document) -> Result<Answer, Refusal> {
        let registry = self.registry();
        let kinds = registry.kinds();
        let reads = asked.method == Method::GET;
        match document {
            // Other documents are given whatever the method is.
            Document::Core | Document::Version if !reads => return Err(read::not_allowed()),
            Document::Resources { group, version } if group.is_empty() || registry.is_built_in(group, version) => {
                if !registry.is_built_in(group, version) {
                    return self.nothing_at(asked.uri.path());
                }
                if !reads {
                    return Err(read::not_allowed());
                }
            }
            _ => {}
        }
        let accept = asked.headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
        let endpoint = match document {
            Document::Core => discovery::Endpoint::Core,
            Document::Groups => discovery::Endpoint::Groups,
            Document::Group(_) => discovery::Endpoint::Group,
            _ => discovery::Endpoint::Resources,
        };
        let custom = match document {
            Document::Resources { group, version } => {
                kinds.iter().any(|kind| kind.custom && kind.group == *group && kind.version == *version)
            }
            _ => false,
        };
        let not_found = || Answer::nothing_there();
        Ok(match document {
            Document::Health => Answer::text("ok"),
            Document::OpenApiV2 if accept.is_some_and(|accept| accept.contains("protobuf")) => {
                Answer::bytes(openapi::second_encoded(VERSION), openapi::PROTOBUF)
            }
            Document::OpenApiV2 => Answer::tagged(&openapi::second(VERSION), &asked.headers, "application/json"),
            Document::OpenApi { group, version } => {
                let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                let options = query(&asked.uri);
                Answer::openapi(self.openapi().document(&path, options.get("hash").map(String::as_str)), &asked.headers)
            }
            Document::OpenApiIndex => {
                // The real one leaves it to Go's library to say what it is.
                Answer::tagged(&self.openapi().index(), &asked.headers, "text/plain; charset=utf-8")
            }
            _ => {
                let form = discovery::negotiate(accept, endpoint, custom)?;
                let aggregated = form == discovery::Form::Aggregated;
                let content = if aggregated { discovery::AGGREGATED_CONTENT_TYPE } else { "application/json" };
                let told = match document {
                    Document::Core if aggregated => Some(discovery::aggregated(kinds, true)),
                    Document::Groups if aggregated => Some(discovery::aggregated(kinds, false)),
                    Document::Core => Some(discovery::api_versions(kinds, ADDRESS)),
                    Document::Groups => Some(discovery::api_groups(kinds)),
                    Document::Group(group) => discovery::api_group(kinds, group),
                    Document::Resources { group, version } => discovery::api_resources(kinds, group, version),
                    _ => Some(discovery::version(VERSION)),
                };
                told.map_or_else(not_found, |told| Answer::tagged(&told, &asked.headers, content))
            }
        })
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn openapi(&self) -> Arc<OpenApi> {
        Arc::clone(&self.0.openapi.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in that a definition has come, changed or gone.
    fn redefine(&self) {
        let _one = self.0.defining.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = Registry::of(&self.0.store);
        let openapi = OpenApi::new(&registry.with_schemas());
        *self.0.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
        *self.0.openapi.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(openapi);
    }
}

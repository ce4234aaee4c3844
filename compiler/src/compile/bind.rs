//! What a Pipeline names outside itself: Connectors.

use aggregator_crds::Connector;
use aggregator_crds::connector::ConnectorType;

use super::validity::connector_violations;
use super::{Compiler, Purpose};
use crate::manifest::Located;
use crate::suggest;

impl<'a> Compiler<'a> {
    /// The Connector that a field names.
    pub(super) fn connector(&mut self, name: &str, path: &str) -> Option<&'a Located<Connector>> {
        let (manifests, namespace) = (self.manifests, self.pipeline.namespace.as_str());
        if manifests.is_broken("Connector", namespace, name) {
            return None;
        }
        if let Some(connector) = manifests.connector(namespace, name) {
            if connector.is_in_damaged("spec") {
                return None;
            }
            if self.purpose == Purpose::Run && self.checked.insert(("Connector", name.to_owned())) {
                self.diagnostics.extend(connector_violations(connector));
            }
            return Some(connector);
        }
        let names =
            || manifests.connectors().filter(|known| known.namespace == namespace).map(|known| known.name.as_str());
        let elsewhere = manifests.connectors().find(|known| known.name == name && known.namespace != namespace);
        let message = format!("there is no Connector `{name}` in the namespace `{namespace}`");
        let near: Vec<&str> = names().collect();
        let help = match elsewhere {
            Some(other) => {
                format!("there is one in the namespace `{}`; a Pipeline uses those of its own", other.namespace)
            }
            None => suggest::advice(name, "Connectors", near.iter().copied()),
        };
        // Someone who looks files over may keep Connectors elsewhere; a name that is nearly right is a mistake all the same.
        let certain = self.purpose == Purpose::Run || elsewhere.is_some() || suggest::closest(name, near).is_some();
        if certain {
            self.fail("MissingConnector", message, help, path);
        } else {
            self.warn("MissingConnector", message, format!("a run needs it; {help}"), path);
        }
        None
    }

    /// The Connector that a field names, to be written to.
    pub(super) fn target(&mut self, name: &str, path: &str) -> Option<&'a Located<Connector>> {
        let connector = self.connector(name, path)?;
        let kind = &connector.object.spec.connector_type;
        if matches!(kind, ConnectorType::Http(_) | ConnectorType::Generator(_)) {
            let message = format!("`{}` Connectors can be read, not written: `{name}` is one", kind.key());
            self.fail("NotASink", message, "write to a `file`, `s3`, `postgres` or `sqlite` Connector", path);
            return None;
        }
        Some(connector)
    }
}

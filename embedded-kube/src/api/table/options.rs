//! What a client wants of a table.

use super::super::Refusal;
use super::super::discovery::MetaVersion;

/// How a table is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How much of each object comes with its row.
    pub include: Include,
    /// Whether the columns are described. In a watch, only the first event's table has them.
    pub headers: bool,
    /// The version of the table.
    pub version: MetaVersion,
}

/// How much of each object comes with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// Reads the parameter `includeObject`.
    ///
    /// # Errors
    /// It is none of the three, in the API server's words.
    pub fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        match text.unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::Nothing),
            "Object" => Ok(Self::Object),
            other => {
                let why = "must be 'Metadata', 'Object', 'None', or empty";
                let message =
                    format!("Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: {why}");
                Err(Refusal::bad_request(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_comes_unless_something_else_is_wanted() {
        assert_eq!(Include::parse(None), Ok(Include::Metadata));
        assert_eq!(Include::parse(Some("")), Ok(Include::Metadata));
        assert_eq!(Include::parse(Some("None")), Ok(Include::Nothing));
        assert_eq!(Include::parse(Some("Object")), Ok(Include::Object));
        let refusal = Include::parse(Some("Half")).unwrap_err();
        assert!(refusal.message.contains("includeObject: Invalid value: \"Half\""), "{refusal}");
    }
}

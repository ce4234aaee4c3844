//! By what clients know that a document has not changed.

use sha2::{Digest, Sha512};

/// The tag of a document, for the header `ETag`, without quotation marks.
#[must_use]
pub fn etag(document: &[u8]) -> String {
    Sha512::digest(document).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether the client has the document of that tag already, by its header `If-None-Match`: then 304 is the whole answer.
#[must_use]
pub fn unchanged(if_none_match: Option<&str>, etag: &str) -> bool {
    let known = |tag: &str| tag == "*" || tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(etag);
    if_none_match.is_some_and(|tags| tags.split(',').any(|tag| known(tag.trim().trim_start_matches("W/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_tag() {
        let tag = etag(b"{}");
        assert_eq!(tag.len(), 128);
        assert!(tag.starts_with("27C74670ADB75075FAD058D5CEAF7B20"), "{tag}");
        assert!(unchanged(Some(&format!("\"{tag}\"")), &tag));
        assert!(unchanged(Some(&format!("\"x\", W/\"{tag}\"")), &tag));
        assert!(unchanged(Some("*"), &tag));
        assert!(!unchanged(Some(&tag), &tag));
        assert!(!unchanged(Some("\"x\""), &tag));
        assert!(!unchanged(None, &tag));
    }
}

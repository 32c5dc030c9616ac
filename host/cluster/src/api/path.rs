//! Request paths of the API server.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that may stand unescaped in a path segment or query value; names come from manifests and command lines.
const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Escapes a path segment or query value.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, KEEP).to_string()
}

/// A resource of the API: where objects of a kind are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    /// API group; empty for the core group.
    pub(crate) group: String,
    /// Version within the group.
    pub(crate) version: String,
    /// Plural name in paths and RBAC rules.
    pub(crate) plural: String,
    /// Objects live in a namespace.
    pub(crate) namespaced: bool,
}

impl Resource {
    /// A namespaced resource.
    pub(crate) fn new(group: &str, version: &str, plural: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            namespaced: true,
        }
    }

    /// A namespaced resource of the core group.
    pub(crate) fn core(plural: &str) -> Self {
        Self::new("", "v1", plural)
    }

    /// A namespaced resource of `apps/v1`.
    pub(crate) fn apps(plural: &str) -> Self {
        Self::new("apps", "v1", plural)
    }

    /// The collection in a namespace, or in all of them.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", escape(&self.version))
        } else {
            format!("/apis/{}/{}", escape(&self.group), escape(&self.version))
        };
        if let (true, Some(namespace)) = (self.namespaced, namespace) {
            let _ = write!(path, "/namespaces/{}", escape(namespace));
        }
        let _ = write!(path, "/{}", escape(&self.plural));
        path
    }

    /// One object.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(Some(namespace)), escape(name))
    }
}

/// Appends query parameters to a path.
pub(crate) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut full = path.to_owned();
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (key, value) in query {
        let _ = write!(full, "{separator}{}={}", escape(key), escape(value));
        separator = '&';
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_and_grouped_objects_have_their_usual_paths() {
        assert_eq!(Resource::core("pods").object("ml", "a"), "/api/v1/namespaces/ml/pods/a");
        assert_eq!(
            Resource::apps("deployments").collection(None),
            "/apis/apps/v1/deployments"
        );
    }

    #[test]
    fn a_hostile_name_cannot_leave_its_segment() {
        assert_eq!(
            Resource::core("pods").object("ml", "../secrets?x=1"),
            "/api/v1/namespaces/ml/pods/..%2Fsecrets%3Fx%3D1"
        );
    }

    #[test]
    fn query_values_are_escaped() {
        assert_eq!(
            with_query("/a", &[("labelSelector", "owner=helm,name=x"), ("limit", "5")]),
            "/a?labelSelector=owner%3Dhelm%2Cname%3Dx&limit=5"
        );
    }
}

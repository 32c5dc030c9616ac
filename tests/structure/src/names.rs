//! The names that a piece of code mentions: its paths, its imports, and the paths inside macros and attributes.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Segments of a path as written: `["crate", "run", "Run"]`.
pub type Path = Vec<String>;

/// One name that a `use` brings in.
#[derive(Debug, Clone)]
pub struct Import {
    /// The name in this module; `None` for a glob.
    pub name: Option<String>,
    /// Path that the name stands for.
    pub path: Path,
    /// `true` when it only hands the name on (`pub use`, `pub(crate) use`).
    pub handed_on: bool,
}

/// Names that one item or module mentions.
#[derive(Debug, Default)]
pub struct Mentions {
    /// Paths in code, macros and attributes.
    pub paths: Vec<Path>,
    /// Imports, those inside function bodies too.
    pub imports: Vec<Import>,
}

impl Mentions {
    /// Adds the names of a `use` declaration.
    pub fn import(&mut self, item: &syn::ItemUse) {
        let handed_on = !matches!(item.vis, syn::Visibility::Inherited);
        flatten(&item.tree, &mut Vec::new(), handed_on, &mut self.imports);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) if path.is_empty() || colons == 2 => path.push(ident.to_string()),
                TokenTree::Ident(ident) => {
                    self.end(&mut path);
                    path.push(ident.to_string());
                }
                other => {
                    self.end(&mut path);
                    match other {
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Literal(literal) => self.literal(&literal.to_string()),
                        _ => {}
                    }
                }
            }
            colons = 0;
        }
        self.end(&mut path);
    }

    /// Keeps a path read from tokens. A single small word there is more often a field or a variable than an item.
    fn end(&mut self, path: &mut Path) {
        let path = std::mem::take(path);
        if path.len() > 1 || path.iter().any(|name| name.starts_with(char::is_uppercase)) {
            self.paths.push(path);
        }
    }

    /// Reads `#[serde(with = "crate::time")]`.
    fn literal(&mut self, text: &str) {
        let text = text.trim_matches('"');
        if text.starts_with("crate::") || text.starts_with("super::") {
            self.paths.push(text.split("::").map(str::to_owned).collect());
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.paths
                .push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            _ if only_in_tests(attributes(item)) => {}
            syn::Item::Use(item) => self.import(item),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !only_in_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn flatten(tree: &syn::UseTree, before: &mut Path, handed_on: bool, into: &mut Vec<Import>) {
    let mut add = |name: Option<String>, last: Option<String>| {
        let path = before.iter().cloned().chain(last).collect();
        into.push(Import { name, path, handed_on });
    };
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, handed_on, into);
            before.pop();
        }
        syn::UseTree::Name(name) if name.ident == "self" => add(before.last().cloned(), None),
        syn::UseTree::Name(name) => add(Some(name.ident.to_string()), Some(name.ident.to_string())),
        syn::UseTree::Rename(rename) if rename.ident == "self" => add(Some(rename.rename.to_string()), None),
        syn::UseTree::Rename(rename) => add(Some(rename.rename.to_string()), Some(rename.ident.to_string())),
        syn::UseTree::Glob(_) => add(None, None),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, handed_on, into);
            }
        }
    }
}

/// Says whether `#[cfg(test)]` or `#[cfg(all(test, …))]` leaves this out of what is shipped.
pub fn only_in_tests(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .any(|attribute| {
            let syn::Meta::List(list) = &attribute.meta else {
                return false;
            };
            let words: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
            match words.as_slice() {
                [TokenTree::Ident(word)] => word == "test",
                [TokenTree::Ident(word), TokenTree::Group(group)] if word == "all" => group
                    .stream()
                    .into_iter()
                    .any(|token| matches!(token, TokenTree::Ident(word) if word == "test")),
                _ => false,
            }
        })
}

/// The attributes of an item.
pub fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

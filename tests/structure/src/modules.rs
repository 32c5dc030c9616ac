//! A crate as a tree of modules, and which file defines what a path leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use syn::visit::Visit;

use crate::Error;
use crate::names::{Mentions, Path, attributes, only_in_tests};

/// Re-exports that are followed before a name is taken for a circle of imports.
const MOST_RE_EXPORTS: usize = 32;

/// A module: a file, or a block inside one.
#[derive(Debug)]
pub struct Module {
    /// Relative to the crate.
    pub file: PathBuf,
    /// Names that its code mentions.
    pub mentions: Mentions,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
}

/// All modules of one crate; the first one is its root.
#[derive(Debug)]
pub struct Modules {
    /// In the order of their declaration.
    pub all: Vec<Module>,
    folder: PathBuf,
}

/// Target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To an item that this module defines.
    Item(usize),
    /// To this module itself.
    Module(usize),
}

impl Modules {
    /// Reads the crate in `folder`, starting from `src/lib.rs` or `src/main.rs`; what only tests compile is left out.
    pub fn read(folder: &FilePath) -> Result<Self, Error> {
        let mut modules = Self {
            all: Vec::new(),
            folder: folder.to_owned(),
        };
        let root = ["src/lib.rs", "src/main.rs"]
            .into_iter()
            .find(|root| folder.join(root).exists());
        let root = root.ok_or_else(|| format!("{} has neither src/lib.rs nor src/main.rs", folder.display()))?;
        modules.read_file(root.into(), "src".into(), 0)?;
        Ok(modules)
    }

    /// Resolves `path`, written in module `from`; `None` if it leads out of the crate.
    pub fn resolve(&self, from: usize, path: &[String]) -> Option<Target> {
        self.resolve_within(from, path, MOST_RE_EXPORTS)
    }

    /// The module of that path, even if an item has the same name.
    pub fn module(&self, from: usize, path: &[String]) -> Option<usize> {
        // A path through it cannot mean the item.
        let through: Path = path.iter().cloned().chain(["self".to_owned()]).collect();
        match self.resolve(from, &through) {
            Some(Target::Module(module)) => Some(module),
            _ => None,
        }
    }

    fn resolve_within(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        match path.split_first() {
            Some((first, rest)) if first == "crate" => self.walk(0, rest, depth),
            _ => self.walk(from, path, depth),
        }
    }

    fn walk(&self, at: usize, path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let module = &self.all[at];
        let Some((name, rest)) = path.split_first() else {
            return Some(Target::Module(at));
        };
        match name.as_str() {
            "self" => return self.walk(at, rest, depth),
            "super" => return self.walk(module.parent, rest, depth),
            _ => {}
        }
        if rest.is_empty() && module.items.contains(name) {
            return Some(Target::Item(at));
        }
        let child = module.children.get(name);
        if let Some(child) = child
            && !rest.is_empty()
        {
            return self.walk(*child, rest, depth);
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        let imports = || module.mentions.imports.iter();
        let named = imports().filter(|import| import.name.as_ref() == Some(name) && import.path != path);
        let named = named.map(|import| import.path.iter().chain(rest).cloned().collect::<Path>());
        let mut named = named.filter_map(|path| self.resolve_within(at, &path, depth));
        let globs = || {
            let globs = imports().filter(|import| import.name.is_none());
            let globs = globs.filter_map(|import| self.resolve_within(at, &import.path, depth));
            globs.filter_map(|target| match target {
                Target::Module(module) if module != at => self.walk(module, path, depth),
                _ => None,
            })
        };
        named
            .next()
            .or_else(|| child.map(|child| Target::Module(*child)))
            .or_else(|| globs().next())
    }

    fn read_file(&mut self, file: PathBuf, folder: PathBuf, parent: usize) -> Result<usize, Error> {
        let full = self.folder.join(&file);
        let text = std::fs::read_to_string(&full).map_err(|error| format!("{}: {error}", full.display()))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{}: {error}", full.display()))?;
        self.read_items(&parsed.items, file, &folder, parent)
    }

    fn read_items(
        &mut self,
        items: &[syn::Item],
        file: PathBuf,
        folder: &FilePath,
        parent: usize,
    ) -> Result<usize, Error> {
        let at = self.all.len();
        let module = Module {
            file: file.clone(),
            mentions: Mentions::default(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
        };
        self.all.push(module);
        for item in items.iter().filter(|item| !only_in_tests(attributes(item))) {
            match item {
                syn::Item::Use(item) => self.all[at].mentions.import(item),
                syn::Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let inside = folder.join(&name);
                    let child = match &item.content {
                        Some((_, items)) => self.read_items(items, file.clone(), &inside, at)?,
                        None => self.read_file(self.find(folder, item), inside, at)?,
                    };
                    self.all[at].children.insert(name, child);
                }
                item => {
                    self.all[at].items.extend(defined(item));
                    self.all[at].mentions.visit_item(item);
                }
            }
        }
        Ok(at)
    }

    fn find(&self, folder: &FilePath, item: &syn::ItemMod) -> PathBuf {
        let written = item.attrs.iter().find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(path),
                    ..
                }) => Some(folder.join(path.value())),
                _ => None,
            },
            _ => None,
        });
        let flat = folder.join(format!("{}.rs", item.ident));
        let nested = folder.join(item.ident.to_string()).join("mod.rs");
        let found = if self.folder.join(&nested).exists() {
            nested
        } else {
            flat
        };
        written.unwrap_or(found)
    }
}

fn defined(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

//! From documents to objects that can be applied, or to everything that is wrong with them.

use core::fmt;

use serde::Deserialize;
use serde_json::Value;
use tortie_datastore::resource::{
    FieldError, Kind as _, Metadata, ProfileSpec, Resource, Unknown, UnknownFields, namespace_profile,
    namespace_profile_name, service_account_profile, service_account_profile_name,
};

use crate::document::Document;
use crate::kind::{Kind, with_spec};
use crate::node::{Node, SyntaxError};

/// One object of a document.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) name: ObjectName,
    /// The object as it is stored: namespaces and service accounts are profiles.
    pub(crate) value: Value,
    /// Fields that nothing comes of, and that people should know of.
    pub(crate) warnings: Vec<Problem>,
    place: Place,
}

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    /// As the user writes it.
    pub(crate) name: String,
}

impl ObjectName {
    /// The namespace under which the object is stored.
    pub(crate) fn stored_namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|_| self.kind != Kind::ServiceAccount)
    }

    /// The name under which the object is stored.
    pub(crate) fn stored(&self) -> String {
        match self.kind {
            Kind::Namespace => namespace_profile_name(&self.name),
            Kind::ServiceAccount => {
                service_account_profile_name(self.namespace.as_deref().unwrap_or_default(), &self.name)
            }
            _ => self.name.clone(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Where an object stands in its document.
#[derive(Clone, Debug)]
struct Place {
    /// The path of the object: empty, or `items[2]` in a list.
    path: String,
    node: Node,
    before: u64,
}

impl Place {
    fn problem(&self, name: Option<&ObjectName>, mut error: FieldError) -> Problem {
        let line = self.before + self.node.line_of(&error.path);
        error.path = match (self.path.as_str(), error.path.as_str()) {
            ("", path) => path.to_owned(),
            (item, "") => item.to_owned(),
            (item, path) => format!("{item}.{path}"),
        };
        let object = name.map(ToString::to_string);
        Problem { line: Some(line), object, error }
    }
}

impl Manifest {
    /// What is wrong with the object, at its place.
    pub(crate) fn problem(&self, error: FieldError) -> Problem {
        self.place.problem(Some(&self.name), error)
    }
}

/// Something wrong with a document.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Counted from 1 in the file.
    line: Option<u64>,
    object: Option<String>,
    error: FieldError,
}

impl Problem {
    /// The message, over several lines for a selector.
    pub(crate) fn render(&self, document: &Document) -> String {
        let mut text = format!("{}: document {}", document.file, document.number);
        if let Some(line) = self.line {
            text.push_str(&format!(", line {line}"));
        }
        if let Some(object) = &self.object {
            text.push_str(&format!(": {object}"));
        }
        text.push_str(&format!(": {}", self.error));
        // The first line of the drawing repeats the message.
        for line in self.error.drawing.iter().flat_map(|drawing| drawing.lines().skip(1)) {
            text.push('\n');
            text.push_str(line);
        }
        text
    }
}

/// A core `v1` namespace or service account.
#[derive(Debug, Deserialize)]
struct Giver {
    metadata: Metadata,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Reads the objects of a document, each with everything that is wrong with it.
///
/// `namespace` is that of namespaced objects that name none.
pub(crate) fn read(document: &Document, namespace: Option<&str>) -> Result<Vec<Manifest>, Vec<Problem>> {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    for place in places(document).map_err(|problem| vec![problem])? {
        match identify(&place, namespace) {
            Ok(name) => match check(&place, name) {
                Ok(manifest) => manifests.push(manifest),
                Err(found) => problems.extend(found),
            },
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

/// Reads which objects a document names; the objects themselves are not checked.
pub(crate) fn names(document: &Document, namespace: Option<&str>) -> Result<Vec<ObjectName>, Vec<Problem>> {
    let places = places(document).map_err(|problem| vec![problem])?;
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    for place in places {
        match identify(&place, namespace) {
            Ok(name) => names.push(name),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(names) } else { Err(problems) }
}

/// The document's object, or the items of its list.
fn places(document: &Document) -> Result<Vec<Place>, Problem> {
    let before = document.before;
    let syntax = |error: SyntaxError| Problem {
        line: error.line.map(|line| before + line),
        object: None,
        error: FieldError::new("", error.message),
    };
    let Some(node) = Node::parse(&document.text).map_err(syntax)? else { return Ok(Vec::new()) };
    let text = |field: &str| node.field(field).and_then(Node::text);
    if (text("apiVersion"), text("kind")) != (Some("v1"), Some("List")) {
        return Ok(vec![Place { path: String::new(), node, before }]);
    }
    let whole = Place { path: String::new(), node, before };
    let known = ["apiVersion", "kind", "metadata", "items"];
    if let Some(name) = whole.node.names().find(|name| !known.contains(name)) {
        return Err(whole.problem(None, FieldError::new(name, "unknown field")));
    }
    let Some(items) = whole.node.field("items").and_then(Node::items) else {
        return Err(whole.problem(None, FieldError::new("items", "missing: a List holds a list of objects")));
    };
    let items = items.iter().enumerate();
    Ok(items
        .map(|(index, node)| Place { path: format!("items[{index}]"), node: node.clone(), before })
        .collect())
}

/// Reads `apiVersion`, `kind`, and the name.
fn identify(place: &Place, namespace: Option<&str>) -> Result<ObjectName, Problem> {
    let wrong = |path: &str, message: String| place.problem(None, FieldError::new(path, message));
    let text = |path: &str| {
        let node = path.split('.').try_fold(&place.node, |node, name| node.field(name));
        match node {
            Some(node) => node.text().map(Some).ok_or_else(|| wrong(path, "not a string".to_owned())),
            None => Ok(None),
        }
    };
    let missing = |path: &str| wrong(path, "missing".to_owned());
    let written = text("kind")?.ok_or_else(|| missing("kind"))?;
    let known = || Kind::ALL.into_iter().filter(|kind| kind.in_manifests());
    // More than one kind may have the name; the version tells which is meant.
    let named: Vec<Kind> = known().filter(|kind| kind.as_str() == written).collect();
    if named.is_empty() {
        let once = known().filter(|kind| kind.word() == kind.as_str());
        let known: Vec<&str> = once.map(Kind::as_str).collect();
        return Err(wrong("kind", format!("`{written}` is not one of {}", known.join(", "))));
    }
    let version = text("apiVersion")?.ok_or_else(|| missing("apiVersion"))?;
    let kind = named.iter().copied().find(|kind| kind.api_version() == version).ok_or_else(|| {
        let versions: Vec<&str> = named.iter().map(|kind| kind.api_version()).collect();
        wrong(
            "apiVersion",
            format!("`{version}` is not {}, which goes with {written}", versions.join(" or ")),
        )
    })?;
    let name = text("metadata.name")?.ok_or_else(|| missing("metadata.name"))?.to_owned();
    let given = text("metadata.namespace")?;
    let namespace = match (kind.namespaced(), given, namespace) {
        (true, Some(given), Some(wanted)) if given != wanted => {
            let message = format!("`{given}` is not `{wanted}`, which -n asks for");
            return Err(wrong("metadata.namespace", message));
        }
        (true, given, wanted) => Some(given.or(wanted).unwrap_or("default").to_owned()),
        (false, Some(_), _) => {
            return Err(wrong("metadata.namespace", format!("not allowed: {kind} has none")));
        }
        (false, None, _) => None,
    };
    Ok(ObjectName { kind, namespace, name })
}

/// Reads the whole object, and checks it.
fn check(place: &Place, name: ObjectName) -> Result<Manifest, Vec<Problem>> {
    let problems = |errors: Vec<FieldError>| -> Vec<Problem> {
        errors.into_iter().map(|error| place.problem(Some(&name), error)).collect()
    };
    let mut value = place.node.value();
    if matches!(name.kind, Kind::Namespace | Kind::ServiceAccount) {
        value = profile(&value, &name).map_err(problems)?;
    } else if let (Some(namespace), Some(Value::Object(metadata))) =
        (&name.namespace, value.pointer_mut("/metadata"))
    {
        metadata.insert("namespace".to_owned(), namespace.clone().into());
    }
    let mut warnings = Vec::new();
    with_spec!(name.kind, Spec => {
        let object = Resource::<Spec>::from_value(value.clone()).map_err(|error| problems(vec![error]))?;
        let mut errors = object.validate();
        let unknown = object.unknown_fields().into_iter();
        match Spec::UNKNOWN {
            UnknownFields::Refused => {
                let unknown = unknown.map(|path| FieldError::new(path, "unknown field"));
                errors = unknown.chain(errors).collect();
            }
            UnknownFields::Told => {
                let told = unknown.map(|path| FieldError::new(path, "nothing comes of this field"));
                warnings = problems(told.collect());
            }
            UnknownFields::Kept => {}
        }
        if !errors.is_empty() {
            return Err(problems(errors));
        }
    });
    Ok(Manifest { name, value, warnings, place: place.clone() })
}

/// Turns a namespace or a service account into its profile.
fn profile(value: &Value, name: &ObjectName) -> Result<Value, Vec<FieldError>> {
    let mut object: Giver = serde_path_to_error::deserialize(value)
        .map_err(|error| vec![FieldError::new(error.path().to_string(), error.inner().to_string())])?;
    let is_account = name.kind == Kind::ServiceAccount;
    // What an account's own fields say is for others.
    let known = |field: &str| matches!(field, "apiVersion" | "kind") || is_account;
    object.unknown.retain(|field, _| !known(field));
    let unknown = object.unknown.keys().cloned();
    let inside = object.metadata.unknown.keys().filter(|_| !is_account);
    let unknown = unknown.chain(inside.map(|field| format!("metadata.{field}")));
    let mut errors: Vec<FieldError> = unknown.map(|path| FieldError::new(path, "unknown field")).collect();
    // Its labels are checked as labels, under the names that the user wrote.
    let mut labelled = Resource::new(&*name.name, ProfileSpec::default());
    labelled.metadata.labels.clone_from(&object.metadata.labels);
    errors.extend(labelled.validate());
    if !errors.is_empty() {
        return Err(errors);
    }
    let labels = core::mem::take(&mut object.metadata.labels);
    let mut profile = match &name.namespace {
        Some(namespace) => service_account_profile(namespace, &name.name, &labels),
        None => namespace_profile(&name.name, &labels),
    };
    object.metadata.namespace = None;
    if is_account {
        object.metadata.unknown.clear();
    }
    profile.metadata = Metadata { name: profile.metadata.name, ..object.metadata };
    serde_json::to_value(&profile).map_err(|error| vec![FieldError::new("", error.to_string())])
}

//! `get`: show what is stored.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use tortie_datastore::resource::{Kind as _, Resource, namespace_of_profile, service_account_of_profile};
use tortie_datastore::{Datastore, client};

use crate::Output;
use crate::kind::{Kind, with_spec};
use crate::manifest::ObjectName;
use crate::table;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What kind of object: `ippool`, `node`, `bgppeer`, `bgpconfig`, `felixconfig`, `ns`, `sa`, `svc`, `profile`, `gnp`, `np`, `gnetset`, `knp`, `cnp`, `anp`, `banp`, `wep`.
    #[arg(value_parser = Kind::from_word)]
    kind: Kind,
    /// Only the object of this name.
    name: Option<String>,
    /// The namespace of namespaced objects. Default: `default`.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Objects of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    all_namespaces: bool,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let kind = arguments.kind;
    let namespace = kind.namespaced().then(|| arguments.namespace.as_deref().unwrap_or("default"));
    let objects = match &arguments.name {
        Some(name) => {
            let name = ObjectName { kind, namespace: namespace.map(str::to_owned), name: name.clone() };
            vec![one(store, &name).await?.ok_or_else(|| anyhow!("there is no {name}"))?]
        }
        None => all(store, kind, namespace.filter(|_| !arguments.all_namespaces)).await?,
    };
    match arguments.output {
        Output::Table => {
            let heads = kind.columns().iter().map(|(head, _)| (*head).to_owned()).collect();
            let cells = |object: &Value| kind.columns().iter().map(|(_, text)| text(object)).collect();
            let rows: Vec<Vec<String>> = core::iter::once(heads).chain(objects.iter().map(cells)).collect();
            say!("{}", table::plain(&rows));
        }
        Output::Yaml => say!("{}", serde_saphyr::to_string(&whole(arguments, objects))?),
        Output::Json => say!("{:#}\n", whole(arguments, objects)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The one object that was asked for, or a list.
fn whole(arguments: &Arguments, mut objects: Vec<Value>) -> Value {
    match (&arguments.name, objects.pop()) {
        (Some(_), Some(object)) => object,
        (_, last) => {
            objects.extend(last);
            json!({ "apiVersion": "v1", "kind": "List", "items": objects })
        }
    }
}

async fn one(store: &Datastore, name: &ObjectName) -> Result<Option<Value>> {
    with_spec!(name.kind, Spec => {
        let object = client::get::<Spec>(store, name.stored_namespace(), &name.stored()).await?;
        Ok(object.map(serde_json::to_value).transpose()?.and_then(|object| shown(name.kind, object)))
    })
}

async fn all(store: &Datastore, kind: Kind, namespace: Option<&str>) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    with_spec!(kind, Spec => {
        let stored = namespace.filter(|_| kind != Kind::ServiceAccount);
        let found = client::list::<Spec>(store, stored).await?;
        for record in found.unreadable {
            eprintln!("warning: {} cannot be read as {}: {}", record.key, Spec::KIND, record.error);
        }
        for object in found.items {
            objects.push(serde_json::to_value(object)?);
        }
    });
    let mut objects: Vec<Value> = objects.into_iter().filter_map(|object| shown(kind, object)).collect();
    if let (Kind::ServiceAccount, Some(namespace)) = (kind, namespace) {
        objects.retain(|object| {
            object.pointer("/metadata/namespace").and_then(Value::as_str) == Some(namespace)
        });
    }
    Ok(objects)
}

/// The object as its kind shows it: a profile as the namespace or service account that it stands for.
fn shown(kind: Kind, object: Value) -> Option<Value> {
    if !matches!(kind, Kind::Namespace | Kind::ServiceAccount) {
        return Some(object);
    }
    let profile = Resource::from_value(object).ok()?;
    let (namespace, name, labels) = match kind {
        Kind::ServiceAccount => {
            let (namespace, name, labels) = service_account_of_profile(&profile)?;
            (Some(namespace.to_owned()), name, labels)
        }
        _ => namespace_of_profile(&profile).map(|(name, labels)| (None, name, labels))?,
    };
    let mut metadata = profile.metadata.clone();
    (metadata.name, metadata.namespace, metadata.labels) = (name.to_owned(), namespace, labels);
    Some(json!({ "apiVersion": kind.api_version(), "kind": kind.as_str(), "metadata": metadata }))
}

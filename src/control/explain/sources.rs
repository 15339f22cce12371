//! Where what is in force was written: files, read anew, or a revision of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::config::{self, Document, Level, PlacedRoute, Places, Setting, Step};

/// The places of a configuration, and of the tenant that a request belongs to.
#[derive(Debug, Default)]
pub(super) struct Sources {
    main: Option<Places>,
    name: Option<String>,
    looks_into_store: bool,
    tenant: OfTenant,
}

/// Where a tenant was written.
#[derive(Debug, Default)]
enum OfTenant {
    #[default]
    Nowhere,
    /// In the configuration's file.
    Main(String),
    /// In a file of its own.
    File(Places),
    /// In the store, at this revision.
    Store(u64),
}

impl Sources {
    pub(super) fn new(file: Option<&PathBuf>, looks_into_store: bool) -> Self {
        let main = file.and_then(|file| Places::of_file(file));
        let name = file.map(|file| file.display().to_string());
        Self { main, name, looks_into_store, tenant: OfTenant::Nowhere }
    }

    /// From now on with those of this tenant.
    pub(super) fn of_tenant(&mut self, written: &config::Tenant, revision: Option<u64>) {
        let file = &written.origin.file;
        self.tenant = match revision {
            Some(revision) => OfTenant::Store(revision),
            None if self.name.as_deref() == Some(&**file) => OfTenant::Main(written.id.to_string()),
            None => Places::of_file(Path::new(&**file)).map_or(OfTenant::Nowhere, OfTenant::File),
        };
    }

    /// Whether tenants of a store can be found.
    pub(super) fn looks_into_store(&self) -> bool {
        self.looks_into_store
    }

    /// Where something stands in the configuration's file.
    pub(super) fn document(&self, way: &[Step]) -> Value {
        self.main.as_ref().and_then(|main| main.of(way)).map(|origin| origin.to_string()).into()
    }

    /// Who says what a setting is, and where.
    pub(super) fn setting(
        &self,
        document: &Document,
        tenant: &config::Tenant,
        setting: &Setting,
    ) -> (String, Value) {
        let word = || setting.level.as_str().to_owned();
        match setting.level {
            Level::Default => (word(), Value::Null),
            Level::Tenant => (word(), self.tenant(&setting.way)),
            Level::Plan => {
                let plan = tenant.plan.as_deref().unwrap_or_default();
                let way = [Step::keys(&["plans", plan]), setting.way.clone()].concat();
                (format!("plan {plan}"), self.document(&way))
            }
            Level::Document => match self.document(&setting.way) {
                Value::Null => (Level::Default.as_str().to_owned(), Value::Null),
                place => (word(), place),
            },
            Level::Route => {
                let of = setting.way.last();
                let routes = document.routes_of(tenant);
                let route = routes
                    .iter()
                    .find(|placed| matches!(of, Some(Step::Named(name)) if *name == placed.route.name));
                (word(), route.map(|placed| self.route(placed)).into())
            }
        }
    }

    /// Where a route was written.
    pub(super) fn route(&self, placed: &PlacedRoute<'_>) -> String {
        match &self.tenant {
            // What a tenant of the store writes has no file.
            OfTenant::Store(revision) if placed.route.origin.file.is_empty() => {
                format!("store, revision {revision}")
            }
            _ => placed.route.origin.to_string(),
        }
    }

    /// Where the tenant says something.
    pub(super) fn tenant(&self, way: &[Step]) -> Value {
        match &self.tenant {
            OfTenant::Nowhere => Value::Null,
            OfTenant::Store(revision) => format!("store, revision {revision}").into(),
            OfTenant::File(places) => places.of(way).map(|origin| origin.to_string()).into(),
            OfTenant::Main(id) => {
                let tenant = [Step::Key("tenants".to_owned()), Step::Named(id.clone())];
                self.document(&[&tenant, way].concat())
            }
        }
    }
}

/// The configuration's tenant of an id.
pub(super) fn configured<'d>(document: &'d Document, id: &str) -> Option<&'d Arc<config::Tenant>> {
    document.tenants.iter().find(|tenant| tenant.id.as_str() == id)
}

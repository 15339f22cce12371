//! What of the configuration tenants' own routes name: pools, and routes that they change.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::Connection;

use super::tenant_query::NAMED;
use super::{Store, StoreFault, Users};
use crate::types::TenantId;

/// What a tenant's own route names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteUse {
    /// A pool.
    Pool(String),
    /// A route of the base, or of its plan, that it changes or disables.
    Route {
        /// The tenant's plan.
        plan: Option<String>,
        /// The route.
        name: String,
    },
}

impl Store {
    /// The tenants whose own routes name what is asked about, by that. Passes over the tenants that have routes of their own.
    ///
    /// # Errors
    /// [`StoreFault`]; `Busy` if it takes more than five seconds.
    pub async fn route_users(
        &self,
        asked: impl Fn(&RouteUse) -> bool + Send + 'static,
    ) -> Result<Vec<(RouteUse, Users)>, StoreFault> {
        self.readers.search(move |connection| users(connection, &asked)).await
    }

    /// As [`Store::route_users`]. Waits for the disk: for a reload.
    ///
    /// # Errors
    /// As there.
    pub fn route_users_here(
        &self,
        asked: impl Fn(&RouteUse) -> bool + Send + 'static,
    ) -> Result<Vec<(RouteUse, Users)>, StoreFault> {
        self.readers.search_here(move |connection| users(connection, &asked))
    }
}

/// In the words of the index `tenants_with_routes`, or it isn't used.
const WITH_ROUTES: &str = "CASE WHEN json_valid(t.settings) THEN t.settings ->> '$.routes' END IS NOT NULL";

/// `pool` of routes and of what they have in lists; a field or label of that name stands elsewhere.
const POOLS: &str = "SELECT t.id, NULL, named.value FROM tenants t, json_tree(t.settings, '$.routes') named
     WHERE named.key = 'pool' AND named.type = 'text' AND (named.path GLOB '*[]]' OR named.path GLOB '*.mirror')";

/// A route that is written with a match is there by itself.
const ROUTES: &str = "SELECT t.id, t.plan, named.value ->> '$.name' AS name
     FROM tenants t, json_each(t.settings, '$.routes') named
     WHERE name IS NOT NULL AND (named.value -> '$.match' IS NULL OR named.value ->> '$.disabled')";

fn users(
    connection: &Connection,
    asked: &dyn Fn(&RouteUse) -> bool,
) -> rusqlite::Result<Vec<(RouteUse, Users)>> {
    let mut found: BTreeMap<RouteUse, (Users, String)> = BTreeMap::new();
    for (sql, is_pool) in [(POOLS, true), (ROUTES, false)] {
        let mut statement = connection.prepare(&format!("{sql} AND {WITH_ROUTES} ORDER BY t.id"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (tenant, plan, name): (String, Option<String>, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let of = if is_pool { RouteUse::Pool(name) } else { RouteUse::Route { plan, name } };
            if !asked(&of) {
                continue;
            }
            let (users, last) = match found.entry(of) {
                Entry::Vacant(entry) => entry.insert((Users::default(), String::new())),
                // Another route of the same tenant.
                Entry::Occupied(entry) if entry.get().1 == tenant => continue,
                Entry::Occupied(entry) => entry.into_mut(),
            };
            users.count += 1;
            if users.some.len() < NAMED {
                users.some.extend(TenantId::parse(&tenant));
            }
            *last = tenant;
        }
    }
    Ok(found.into_iter().map(|(of, (users, _))| (of, users)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    fn store(tenants: &[(&str, Option<&str>)]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        for (id, settings) in tenants {
            let sql = "INSERT INTO tenants VALUES (?1, 1, 0, 0, 'free', 'active', NULL, ?2)";
            connection.execute(sql, (id, settings)).unwrap();
        }
        connection
    }

    #[test]
    fn what_tenants_routes_name_is_found() {
        let connection = store(&[
            (
                "a",
                Some(
                    r#"{"pool":"own","routes":[{"name":"x","pool":"p"},{"name":"y","pool":"p","match":{}}]}"#,
                ),
            ),
            (
                "b",
                Some(
                    r#"{"routes":[{"name":"x","disabled":true},{"match":{},"split":[{"pool":"q"},{"pool":"p"}]}]}"#,
                ),
            ),
            ("c", Some(r#"{"routes":[{"match":{"headers":{"pool":"h"}},"mirror":{"pool":"m"}}]}"#)),
            ("d", Some(r#"{"routes":[{"name":"z","match":{},"disabled":true}]}"#)),
            ("e", Some("no json")),
            ("f", Some("{}")),
            ("g", None),
        ]);
        let found = users(&connection, &|_| true).unwrap();
        let told: Vec<(String, u64, Vec<&str>)> = found
            .iter()
            .map(|(of, users)| {
                let of = match of {
                    RouteUse::Pool(name) => format!("pool {name}"),
                    RouteUse::Route { plan, name } => {
                        format!("route {name} of {}", plan.as_deref().unwrap_or("none"))
                    }
                };
                (of, users.count, users.some.iter().map(TenantId::as_str).collect())
            })
            .collect();
        let expected = [
            ("pool m", 1, vec!["c"]),
            ("pool p", 2, vec!["a", "b"]),
            ("pool q", 1, vec!["b"]),
            ("route x of free", 2, vec!["a", "b"]),
            ("route z of free", 1, vec!["d"]),
        ];
        assert_eq!(told, expected.map(|(of, count, some)| (of.to_owned(), count, some)));
        let some = users(&connection, &|of| *of == RouteUse::Pool("q".into())).unwrap();
        assert_eq!(some.len(), 1);
    }

    #[test]
    fn only_tenants_with_routes_are_passed_over() {
        let connection = store(&[]);
        for sql in [POOLS, ROUTES] {
            let sql = format!("EXPLAIN QUERY PLAN {sql} AND {WITH_ROUTES} ORDER BY t.id");
            let mut statement = connection.prepare(&sql).unwrap();
            let plan: Vec<String> =
                statement.query_map([], |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
            assert!(plan.iter().any(|step| step.contains("tenants_with_routes")), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}

//! The table against examples and against a naive matcher.

use std::num::NonZeroU32;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::super::misses::path_rank;
use super::super::{HeaderRules, MatchRule, Precedence, RouteCors, Target, normalise};
use super::*;
use crate::types::{Access, Labels, PathTemplate, Pattern, ValueTest};

fn route(name: &str, rule: MatchRule) -> Arc<Route<()>> {
    placed(name, 0, rule)
}

fn placed(name: &str, index: usize, rule: MatchRule) -> Arc<Route<()>> {
    Arc::new(Route {
        name: name.into(),
        index,
        rule,
        target: Target::Tenant,
        mirror: None,
        rewrite: None,
        requires_feature: None,
        cost: NonZeroU32::MIN,
        timeout: None,
        internal_hosts: None,
        access: Access::default(),
        request_body_max: None,
        cors: RouteCors::default(),
        request_headers: HeaderRules::default(),
        response_headers: HeaderRules::default(),
    })
}

fn on(name: &str, path: PathRule) -> Arc<Route<()>> {
    route(name, MatchRule { path, ..MatchRule::default() })
}

fn prefix(path: &str) -> PathRule {
    PathRule::Prefix(path.to_owned())
}

fn exact(path: &str) -> PathRule {
    PathRule::Exact(path.to_owned())
}

fn template(path: &str) -> PathRule {
    PathRule::Template(PathTemplate::parse(path).unwrap())
}

fn pattern(text: &str) -> PathRule {
    PathRule::Pattern(Pattern::new(text).unwrap())
}

fn below(name: &str) -> HostRule {
    HostRule::Below(name.to_owned())
}

fn is(value: &str) -> ValueTest {
    ValueTest::Is(value.into())
}

fn region(value: &str) -> Labels {
    Labels::new([(&"region".to_owned(), &value.to_owned())])
}

/// A request, to be asked about.
#[derive(Debug)]
struct Request {
    method: Method,
    host: Option<String>,
    path: String,
    query: Option<String>,
    fields: HeaderMap,
    client: Option<std::net::IpAddr>,
    has_beta: bool,
    labels: Labels,
}

fn all(_: &str) -> bool {
    true
}

fn none(_: &str) -> bool {
    false
}

impl Request {
    fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            host: None,
            path: path.to_owned(),
            query: None,
            fields: HeaderMap::new(),
            client: None,
            has_beta: false,
            labels: Labels::default(),
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            host: self.host.as_deref(),
            path: &self.path,
            query: self.query.as_deref(),
            fields: &self.fields,
            client: self.client,
            has_feature: if self.has_beta { &all } else { &none },
            labels: &self.labels,
        }
    }
}

fn find(table: &RouteTable<()>, request: &Request) -> Option<String> {
    table.find(&request.asked()).map(|route| route.name.to_string())
}

#[track_caller]
fn finds(table: &RouteTable<()>, path: &str, name: &str) {
    assert_eq!(find(table, &Request::get(path)).as_deref(), Some(name), "{path}");
}

#[test]
fn prefixes_end_at_segments_and_the_longest_wins() {
    let table = RouteTable::new(vec![
        on("root", prefix("/")),
        on("api", prefix("/api")),
        on("reports", prefix("/api/reports/")),
        on("exact", exact("/api/reports")),
    ]);
    for (path, name) in [
        ("/", "root"),
        ("/x", "root"),
        ("/apix", "root"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/x/y", "api"),
        ("/api/reports", "exact"),
        ("/api/reports/", "reports"),
        ("/api/reports/2026", "reports"),
        ("/api/reportsx", "api"),
    ] {
        finds(&table, path, name);
    }
}

#[test]
fn templates_come_before_expressions_and_these_before_prefixes() {
    let table = RouteTable::new(vec![
        on("root", prefix("/")),
        on("long", prefix("/users/7/posts")),
        on("expression", pattern("/users/[0-9]+/.*")),
        on("user", template("/users/{id}")),
        on("me", template("/users/me/{what}")),
        on("posts", template("/users/{id}/posts")),
        on("exact", exact("/users/me")),
    ]);
    for (path, name) in [
        ("/users/7", "user"),
        ("/users/7/", "expression"),
        ("/users/", "root"),
        ("/users/me", "exact"),
        ("/users/me/posts", "me"),
        ("/users/7/posts", "posts"),
        ("/users/x/likes", "root"),
        ("/users/7/posts/1", "expression"),
        ("/users/7/posts/1/2", "expression"),
        ("/x/users/7/posts", "root"),
    ] {
        finds(&table, path, name);
    }
}

#[test]
fn a_literal_segment_counts_from_the_left() {
    let table = RouteTable::new(vec![on("late", template("/{a}/b/c")), on("early", template("/a/{b}/{c}"))]);
    finds(&table, "/a/b/c", "early");
    finds(&table, "/x/b/c", "late");
}

#[test]
fn the_host_counts_for_more_than_the_path() {
    let of = |name: &str, host: HostRule, path: &str| {
        route(name, MatchRule { hosts: vec![host], path: prefix(path), ..MatchRule::default() })
    };
    let table = RouteTable::new(vec![
        on("any", exact("/a")),
        of("below", below("example.com"), "/"),
        of("deeper", below("shop.example.com"), "/b"),
        of("exact", HostRule::Exact("www.example.com".to_owned()), "/c"),
    ]);
    let name =
        |host: &str, path: &str| find(&table, &Request { host: Some(host.to_owned()), ..Request::get(path) });
    assert_eq!(name("www.example.com", "/c").as_deref(), Some("exact"));
    assert_eq!(name("www.example.com", "/a").as_deref(), Some("below"));
    assert_eq!(name("x.shop.example.com", "/b").as_deref(), Some("deeper"));
    assert_eq!(name("x.shop.example.com", "/").as_deref(), Some("below"));
    assert_eq!(name("example.com", "/a").as_deref(), Some("any"));
    assert_eq!(name("xexample.com", "/"), None);
    finds(&table, "/a", "any");
}

#[test]
fn conditions_make_a_route_more_specific() {
    let with = |name: &str, change: &dyn Fn(&mut MatchRule)| {
        let mut rule = MatchRule::default();
        change(&mut rule);
        route(name, rule)
    };
    let table = RouteTable::new(vec![
        with("any", &|_| {}),
        with("label", &|rule| rule.labels = vec![("region".into(), is("eu"))]),
        with("feature", &|rule| rule.features = vec!["beta".into()]),
        with("client", &|rule| rule.clients = vec!["192.0.2.0/24".parse().unwrap()]),
        with("cookie", &|rule| rule.cookies = vec![("sid".into(), ValueTest::Present)]),
        with("query", &|rule| rule.query = vec![("v".into(), is("2 a"))]),
        with("header", &|rule| rule.headers = vec![(HeaderName::from_static("x-beta"), is("1"))]),
        with("post", &|rule| rule.methods = vec![Method::POST]),
    ]);
    let mut request = Request::get("/");
    let mut finds = |change: &dyn Fn(&mut Request), name: &str| {
        change(&mut request);
        assert_eq!(find(&table, &request).as_deref(), Some(name));
    };
    finds(&|_| {}, "any");
    finds(&|request| request.labels = region("us"), "any");
    finds(&|request| request.labels = region("eu"), "label");
    finds(&|request| request.has_beta = true, "feature");
    finds(&|request| request.client = Some("192.0.2.7".parse().unwrap()), "client");
    finds(&|request| _ = request.fields.insert("cookie", HeaderValue::from_static("a=b; sid=")), "cookie");
    finds(&|request| request.query = Some("v=2+a".to_owned()), "query");
    finds(&|request| _ = request.fields.insert("x-beta", HeaderValue::from_static("1")), "header");
    finds(&|request| request.method = Method::POST, "post");
}

#[test]
fn no_route_is_none() {
    let table = RouteTable::new(vec![on("api", prefix("/api"))]);
    assert_eq!(find(&table, &Request::get("/")), None);
    assert_eq!(find(&RouteTable::new(vec![]), &Request::get("/")), None);
}

/// What the documentation says, word for word.
fn naive(routes: &[Arc<Route<()>>], asked: &Asked<'_>) -> Option<String> {
    let ranked = routes.iter().enumerate().filter_map(|(at, route)| {
        let rule = &route.rule;
        let host = rule.host_rank(asked)?;
        let path = path_rank(&rule.path, asked.path)?;
        rule.holds(asked).then_some(((host, path, rule.specificity(), std::cmp::Reverse(at)), route))
    });
    ranked.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, route)| route.name.to_string())
}

fn path_rules() -> impl Strategy<Value = PathRule> {
    prop_oneof![
        "(/[ab]{0,2}){1,4}".prop_map(|path| exact(&normalise(&path).unwrap())),
        "(/[ab]{0,2}){1,4}".prop_map(|path| prefix(&normalise(&path).unwrap())),
        "(/([ab]|\\{x\\}|\\{y\\})){1,4}"
            .prop_filter_map("names are there once", |path| PathTemplate::parse(&path).ok())
            .prop_map(PathRule::Template),
        "/[ab.*/]{0,6}"
            .prop_filter_map("not every text is one", |text| Pattern::new(&text).ok())
            .prop_map(PathRule::Pattern),
    ]
}

fn rules() -> impl Strategy<Value = MatchRule> {
    let hosts = proptest::collection::vec(
        prop_oneof![
            "[ab](\\.[ab]){0,2}".prop_map(HostRule::Exact),
            "[ab](\\.[ab]){0,1}".prop_map(HostRule::Below),
        ],
        0..3,
    );
    let conditions = (
        any::<bool>(),
        0..3_usize,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        label_tests(),
    );
    (hosts, path_rules(), conditions).prop_map(
        |(hosts, path, (post, headers, query, cookie, client, feature, labels))| MatchRule {
            hosts,
            path,
            methods: if post { vec![Method::POST] } else { vec![] },
            headers: ["x-one", "x-two"]
                .iter()
                .take(headers)
                .map(|name| (HeaderName::from_static(name), is("1")))
                .collect(),
            query: query.then(|| ("q".into(), is("1"))).into_iter().collect(),
            cookies: cookie.then(|| ("c".into(), is("1"))).into_iter().collect(),
            clients: client.then(|| "192.0.2.0/24".parse().unwrap()).into_iter().collect(),
            features: feature.then(|| "beta".into()).into_iter().collect(),
            labels,
        },
    )
}

/// None, one or two, in each of the ways in which they can be asked for.
fn label_tests() -> impl Strategy<Value = Vec<(Box<str>, ValueTest)>> {
    let test = prop_oneof![
        Just(is("eu")),
        Just(ValueTest::Like(Pattern::new("e.").unwrap())),
        Just(ValueTest::Present),
        Just(ValueTest::Absent),
    ];
    proptest::collection::vec(test, 0..3)
        .prop_map(|tests| ["region", "tier"].into_iter().map(Into::into).zip(tests).collect())
}

fn requests() -> impl Strategy<Value = Request> {
    let flags = proptest::array::uniform7(any::<bool>());
    let labels = proptest::option::of(prop_oneof![Just("eu"), Just("us")]);
    ("(/[ab]{1,2}){0,5}/?", proptest::option::of("[ab](\\.[ab]){0,3}"), flags, labels).prop_map(
        |(path, host, [post, one, two, query, cookie, client, feature], label)| {
            let mut fields = HeaderMap::new();
            for (name, value, there) in
                [("x-one", "1", one), ("x-two", "1", two), ("cookie", "b=2; c=1", cookie)]
            {
                there.then(|| fields.insert(name, HeaderValue::from_static(value)));
            }
            Request {
                method: if post { Method::POST } else { Method::GET },
                host,
                path: if path.is_empty() { "/".to_owned() } else { path },
                query: query.then(|| "p=0&q=1".to_owned()),
                fields,
                client: client.then(|| "192.0.2.1".parse().unwrap()),
                has_beta: feature,
                labels: label.map(region).unwrap_or_default(),
            }
        },
    )
}

proptest! {
    #[test]
    fn finds_what_a_naive_matcher_finds(
        rules in proptest::collection::vec(rules(), 0..16),
        requests in proptest::collection::vec(requests(), 1..8),
    ) {
        let routes: Vec<_> =
            rules.into_iter().enumerate().map(|(at, rule)| placed(&at.to_string(), at, rule)).collect();
        let table = RouteTable::new(routes.clone());
        for request in requests {
            let asked = request.asked();
            prop_assert_eq!(find(&table, &request), naive(&routes, &asked));
            let found = table.find(&asked);
            prop_assert_eq!(table.routes().len(), routes.len());
            for route in &routes {
                let is_taken = route.rule.unmet(&asked).is_empty();
                prop_assert!(is_taken || found.is_none_or(|found| !Arc::ptr_eq(found, route)));
                // What takes it, and does not get it, comes after what does.
                if let Some(found) = found.filter(|found| is_taken && !Arc::ptr_eq(found, route)) {
                    let by = found.rule.precedes_by(&route.rule, &asked);
                    prop_assert!(by != Precedence::Order || found.index < route.index);
                }
                prop_assert!(!is_taken || found.is_some());
            }
        }
    }
}

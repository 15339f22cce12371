//! The table against examples and against a naive matcher.

use super::*;
use proptest::prelude::*;

fn route(name: &str, path: PathRule) -> Route<()> {
    Route {
        name: name.into(),
        index: 0,
        rule: MatchRule { path, ..MatchRule::default() },
        target: Target::Tenant,
        requires_feature: None,
        cost: NonZeroU32::MIN,
        timeout: None,
        request_headers: HeaderRules::default(),
        response_headers: HeaderRules::default(),
    }
}

fn prefix(path: &str) -> PathRule {
    PathRule::Prefix(path.to_owned())
}

fn exact(path: &str) -> PathRule {
    PathRule::Exact(path.to_owned())
}

fn find(table: &RouteTable<()>, target: &str) -> Option<String> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    table.find(&Method::GET, path, query, &HeaderMap::new()).map(|route| route.name.to_string())
}

#[test]
fn prefixes_end_at_segments_and_the_longest_wins() {
    let table = RouteTable::new(vec![
        route("root", prefix("/")),
        route("api", prefix("/api")),
        route("reports", prefix("/api/reports/")),
        route("exact", exact("/api/reports")),
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
        assert_eq!(find(&table, path).as_deref(), Some(name), "{path}");
    }
}

#[test]
fn methods_headers_and_query_make_a_route_more_specific() {
    let mut post = route("post", prefix("/"));
    post.rule.methods = vec![Method::POST];
    let mut beta = route("beta", prefix("/"));
    beta.rule.headers = vec![(HeaderName::from_static("x-beta"), HeaderValue::from_static("1"))];
    let mut v2 = route("v2", prefix("/"));
    v2.rule.query = vec![("v".to_owned(), "2 a".to_owned())];
    let table = RouteTable::new(vec![route("any", prefix("/")), v2, beta, post]);
    let mut headers = HeaderMap::new();
    let name = |method: &Method, query, headers: &HeaderMap| {
        table.find(method, "/", query, headers).map(|route| route.name.to_string())
    };
    assert_eq!(name(&Method::GET, None, &headers).as_deref(), Some("any"));
    assert_eq!(name(&Method::GET, Some("v=2+a"), &headers).as_deref(), Some("v2"));
    assert_eq!(name(&Method::GET, Some("x&v=%32%20a&v=3"), &headers).as_deref(), Some("v2"));
    assert_eq!(name(&Method::GET, Some("v=3&v=2+a"), &headers).as_deref(), Some("any"));
    headers.insert("x-beta", HeaderValue::from_static("1"));
    assert_eq!(name(&Method::GET, Some("v=2+a"), &headers).as_deref(), Some("beta"));
    assert_eq!(name(&Method::POST, Some("v=2+a"), &headers).as_deref(), Some("post"));
}

#[test]
fn no_route_is_none() {
    let table = RouteTable::new(vec![route("api", prefix("/api"))]);
    assert_eq!(find(&table, "/"), None);
    assert_eq!(find(&RouteTable::new(vec![]), "/"), None);
}

/// What the documentation says, word for word.
fn naive<'r>(
    routes: &'r [(Route<()>, usize)],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<&'r str> {
    let takes = |rule: &MatchRule| {
        let path_matches = match &rule.path {
            PathRule::Exact(exact) => exact == path,
            PathRule::Prefix(prefix) => {
                let prefix = prefix.trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        };
        path_matches && rule.matches(method, None, headers)
    };
    routes
        .iter()
        .filter(|(route, _)| takes(&route.rule))
        .max_by_key(|(route, at)| {
            let path = match &route.rule.path {
                PathRule::Exact(_) => (true, 0),
                PathRule::Prefix(prefix) => (false, prefix.trim_end_matches('/').len()),
            };
            (path, route.rule.specificity(), std::cmp::Reverse(*at))
        })
        .map(|(route, _)| &*route.name)
}

proptest! {
    #[test]
    fn finds_what_a_naive_matcher_finds(
        rules in proptest::collection::vec(("(/[ab]{0,2}){1,4}", any::<bool>(), any::<bool>(), any::<bool>()), 0..12),
        path in "(/[ab]{1,2}){0,5}/?", get in any::<bool>(), beta in any::<bool>(),
    ) {
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let make = || rules.iter().enumerate().map(|(at, (path, is_exact, post, beta))| {
            let normal = super::super::normalise(path).unwrap().into_owned();
            let mut made = route(&at.to_string(), if *is_exact { exact(&normal) } else { prefix(&normal) });
            if *post { made.rule.methods = vec![Method::POST]; }
            if *beta { made.rule.headers = vec![(HeaderName::from_static("x-beta"), HeaderValue::from_static("1"))]; }
            made
        }).collect::<Vec<_>>();
        let table = RouteTable::new(make());
        let listed: Vec<_> = make().into_iter().enumerate().map(|(at, route)| (route, at)).collect();
        let method = if get { Method::GET } else { Method::POST };
        let mut headers = HeaderMap::new();
        if beta { headers.insert("x-beta", HeaderValue::from_static("1")); }
        let found = table.find(&method, &path, None, &headers).map(|route| route.name.to_string());
        prop_assert_eq!(found.as_deref(), naive(&listed, &method, &path, &headers));
    }
}

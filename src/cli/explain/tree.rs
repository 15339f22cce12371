//! An explanation as a tree, for people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::client::plain;
use crate::cli::output::{brief, word};

/// How many routes are shown that do not get the request.
const MISSES_SHOWN: usize = 5;

/// A line and what stands below it.
struct Branch {
    text: String,
    below: Vec<Branch>,
}

impl Branch {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), below: Vec::new() }
    }

    fn with(mut self, below: Vec<Self>) -> Self {
        self.below = below;
        self
    }

    fn draw(&self, before: &str, text: &mut String) {
        for (at, branch) in self.below.iter().enumerate() {
            let is_last = at + 1 == self.below.len();
            let (fork, rest) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = writeln!(text, "{before}{fork}{}", plain(&branch.text));
            branch.draw(&format!("{before}{rest}"), text);
        }
    }
}

/// The whole of it.
pub(in crate::cli) fn drawn(told: &Value) -> String {
    let request = part(told, "request");
    let root = format!("{} {} from {}", word(request, "method"), word(request, "url"), who(told));
    let mut text = format!("{}\n", plain(&root));
    let parts = [
        configuration(part(told, "configuration")),
        listener(part(told, "listener")),
        identify(told),
        settings(part(told, "settings")),
        route(part(told, "route")),
        limits(part(told, "limits")),
        pool(part(told, "pool")),
        upstream(part(told, "upstream")),
        response(part(told, "response")),
        Some(verdict(told)),
    ];
    let root = Branch::new("").with(parts.into_iter().flatten().collect());
    root.draw("", &mut text);
    text
}

/// Why a request gets where it does: the parts that matter where something else was expected.
pub(in crate::cli) fn reasons(told: &Value) -> String {
    let parts = [identify(told), route(part(told, "route")), pool(part(told, "pool")), Some(verdict(told))];
    let mut text = String::new();
    Branch::new("").with(parts.into_iter().flatten().collect()).draw("", &mut text);
    text
}

fn who(told: &Value) -> String {
    let (request, client) = (part(told, "request"), part(told, "client"));
    let from = word(request, "from");
    let named = word(client, "address");
    let mut who = from.clone();
    if request.get("from_is_given") == Some(&Value::Bool(false)) {
        who.push_str(" (nobody's address: --from says another)");
    }
    if client.get("via_trusted_proxy") == Some(&Value::Bool(true)) {
        who.push_str(", a trusted proxy");
        if named != from {
            let _ = write!(who, ", for {named}");
        }
    }
    who
}

fn configuration(told: &Value) -> Option<Branch> {
    let is = |key: &str| told.get(key) == Some(&Value::Bool(true));
    let file = word(told, "file");
    let file = if file.is_empty() { "of no file".to_owned() } else { file };
    let mut text = format!("configuration {file}");
    if is("running") {
        let _ = write!(text, ", in force (generation {})", word(told, "generation"));
    }
    let mut below = Vec::new();
    if is("file_has_changed") {
        below.push(Branch::new("the file has changed since: lines are those of the file as it is now"));
    }
    let not_read = word(told, "store_not_read");
    if !not_read.is_empty() {
        let store = word(told, "store");
        below.push(Branch::new(format!("tenants of the store {store} were not looked at: {not_read}")));
    }
    Some(Branch::new(text).with(below))
}

fn listener(told: &Value) -> Option<Branch> {
    let name = word(told, "name");
    let text = match (&*name, told.get("tls") == Some(&Value::Bool(true))) {
        ("", _) => "listener: none".to_owned(),
        (name, true) => format!("listener {name}, over TLS{}", place(told)),
        (name, false) => format!("listener {name}{}", place(told)),
    };
    let note = Some(word(told, "note")).filter(|note| !note.is_empty());
    let leads = told.get("leads_to_https") == Some(&Value::Bool(true));
    let leads = leads.then(|| "it leads to https".to_owned());
    Some(Branch::new(text).with(leads.into_iter().chain(note).map(Branch::new).collect()))
}

fn identify(told: &Value) -> Option<Branch> {
    let tenant = part(told, "tenant");
    let text = match tenant {
        Value::Null => "tenant: none".to_owned(),
        tenant => {
            let plan = word(tenant, "plan");
            let plan = if plan.is_empty() { "no plan".to_owned() } else { format!("plan {plan}") };
            format!("tenant {}, {plan}{}", word(tenant, "id"), place(tenant))
        }
    };
    let rules = items(part(told, "identify")).map(|rule| {
        let says = match &*word(rule, "says") {
            "tenant" => format!("says {}", word(rule, "tenant")),
            "nobody" => "knows nobody".to_owned(),
            "refuses" => "refuses it".to_owned(),
            other => other.to_owned(),
        };
        Branch::new(format!("{} {says}: {}{}", word(rule, "rule"), word(rule, "why"), place(rule)))
    });
    Some(Branch::new(text).with(rules.collect()))
}

fn settings(told: &Value) -> Option<Branch> {
    let all: Vec<&Value> = items(told).collect();
    if all.is_empty() {
        return None;
    }
    let line = |setting: &&Value| {
        let value = setting.get("value").map(brief).unwrap_or_default();
        let value = if value.is_empty() { "-" } else { &value };
        let has = match setting.get("has") {
            Some(Value::Bool(true)) => format!(" (had: {})", word(setting, "why")),
            Some(_) => format!(" (not had: {})", word(setting, "why")),
            None => String::new(),
        };
        let text = format!(
            "{} = {value}{has}  [{}]{}",
            word(setting, "name"),
            word(setting, "from"),
            place(setting)
        );
        Branch::new(text)
    };
    Some(Branch::new("settings").with(all.iter().map(line).collect()))
}

fn route(told: &Value) -> Option<Branch> {
    if told.is_null() {
        return None;
    }
    let name = word(told, "name");
    let text = match name.is_empty() {
        true => format!("route: none takes {}", word(told, "path")),
        false => format!("route {name}{}", place(told)),
    };
    let mut below = Vec::new();
    if !name.is_empty() {
        below.push(Branch::new(format!("takes {}", word(told, "takes"))));
        below.push(Branch::new(format!("leads {}", word(told, "leads"))));
        for (key, what) in [
            ("rewrite", "rewrites"),
            ("mirror", "copies"),
            ("requires_feature", "requires the feature"),
            ("timeout", "allows"),
            ("request_body_max", "bounds bodies to"),
            ("cors", "cors is"),
        ] {
            let value = word(told, key);
            if !value.is_empty() {
                below.push(Branch::new(format!("{what} {value}")));
            }
        }
    }
    let misses: Vec<&Value> = items(part(told, "misses")).collect();
    let left_out = told.get("misses_left_out").and_then(Value::as_u64).unwrap_or_default();
    let others = left_out + misses.len().saturating_sub(MISSES_SHOWN) as u64;
    for miss in misses.iter().take(MISSES_SHOWN) {
        let why = items(part(miss, "why")).map(brief).collect::<Vec<_>>().join("; ");
        below.push(Branch::new(format!("not {}: {why}{}", word(miss, "name"), place(miss))));
    }
    if others > 0 {
        let word = if others == 1 { "other, which is" } else { "others, which are" };
        below.push(Branch::new(format!("nor {others} {word} further away")));
    }
    Some(Branch::new(text).with(below))
}

fn limits(told: &Value) -> Option<Branch> {
    if told.is_null() {
        return None;
    }
    let mut below: Vec<Branch> = items(part(told, "applying"))
        .map(|limit| {
            let allows = limit.get("allows") == Some(&Value::Bool(true));
            let says = if allows { "allows it" } else { "refuses it" };
            let shadow =
                if limit.get("shadow") == Some(&Value::Bool(true)) { " (it only counts)" } else { "" };
            Branch::new(format!(
                "rate limit {} {says}{shadow}: {} left, all back in {} s",
                word(limit, "name"),
                word(limit, "remaining"),
                word(limit, "reset_seconds")
            ))
        })
        .collect();
    below.extend(items(part(told, "quotas")).map(|quota| {
        let used = word(quota, "used");
        let used = if used.is_empty() { "not known yet" } else { &used };
        Branch::new(format!(
            "quota {}: {used} of {} {}",
            word(quota, "name"),
            word(quota, "limit"),
            word(quota, "meter")
        ))
    }));
    below.extend(items(part(part(told, "concurrency"), "pools")).map(|pool| {
        Branch::new(format!(
            "seats of pool {}: {} in use, of them {} the tenant's; {} of its requests wait",
            word(pool, "pool"),
            word(pool, "seats_in_use"),
            word(pool, "held"),
            word(pool, "waiting")
        ))
    }));
    Some(Branch::new(format!("limits now, with {} requests in flight", word(told, "in_flight"))).with(below))
}

fn pool(told: &Value) -> Option<Branch> {
    if told.is_null() {
        return None;
    }
    let stands_in = word(told, "stands_in_for");
    let stands_in =
        if stands_in.is_empty() { String::new() } else { format!(", which stands in for {stands_in}") };
    let from = match (&*word(told, "from"), &*word(told, "from_source")) {
        ("", _) => String::new(),
        (from, "") => format!(", by {from}"),
        (from, source) => format!(", by {from} in {source}"),
    };
    let text = format!("pool {} ({}{from}){stands_in}{}", word(told, "name"), word(told, "by"), place(told));
    let endpoint = part(told, "endpoint");
    let by = word(endpoint, "by");
    let by = if by.is_empty() { String::new() } else { format!(" ({by})") };
    let which = match (&*word(endpoint, "name"), &*word(endpoint, "one_of")) {
        ("", "") => "endpoint: none is known; names are not looked up here".to_owned(),
        ("", some) => format!("endpoint: one of {some}"),
        (name, _) => format!("endpoint {name}{by}"),
    };
    let mut below = vec![Branch::new(which)];
    let seats = part(told, "seats");
    if !seats.is_null() {
        let limit = word(seats, "limit");
        let limit = if limit.is_empty() { "as many as are wanted" } else { &limit };
        let (outlook, in_use, waiting) =
            (word(seats, "outlook"), word(seats, "in_use"), word(seats, "waiting"));
        let outlook = if outlook.is_empty() { String::new() } else { format!("{outlook}: ") };
        below.push(Branch::new(format!(
            "seats: {outlook}{in_use} of {limit} in use, {waiting} requests wait"
        )));
    }
    let within = word(told, "within");
    if !within.is_empty() {
        below.push(Branch::new(format!("within {within}")));
    }
    if let Value::Object(timeouts) = part(told, "timeouts") {
        let line = |(name, told): (&String, &Value)| {
            Branch::new(format!(
                "timeouts.{name} = {}  [{}]{}",
                word(told, "value"),
                word(told, "from"),
                place(told)
            ))
        };
        below.extend(timeouts.iter().map(line));
    }
    Some(Branch::new(text).with(below))
}

fn upstream(told: &Value) -> Option<Branch> {
    if told.is_null() {
        return None;
    }
    let mut below: Vec<Branch> = items(part(told, "headers"))
        .map(|field| {
            let change = word(field, "change");
            Branch::new(format!("{change:7} {}: {}", word(field, "name"), word(field, "value")))
        })
        .collect();
    below.extend(items(part(told, "removed")).map(|name| Branch::new(format!("removed {}", brief(name)))));
    Some(Branch::new(format!("sent upstream: {}", word(told, "request_line"))).with(below))
}

fn response(told: &Value) -> Option<Branch> {
    let fields = items(part(told, "headers"))
        .map(|field| Branch::new(format!("set {}: {}", word(field, "name"), word(field, "value"))));
    let removed = items(part(told, "removed")).map(|name| Branch::new(format!("remove {}", brief(name))));
    let below: Vec<Branch> = fields.chain(removed).collect();
    (!below.is_empty()).then(|| Branch::new("response").with(below))
}

fn verdict(told: &Value) -> Branch {
    let verdict = part(told, "verdict");
    Branch::new(match &*word(verdict, "action") {
        "forward" => {
            let pool = word(part(told, "pool"), "name");
            format!("verdict: forwarded to pool {pool}; the status is the application's")
        }
        "answer" => format!("verdict: answered here with {}", word(verdict, "status")),
        _ => format!(
            "verdict: refused with {} {}: {}",
            word(verdict, "status"),
            word(verdict, "code"),
            word(verdict, "detail")
        ),
    })
}

/// Where it was written, behind two spaces.
fn place(told: &Value) -> String {
    let source = word(told, "source");
    if source.is_empty() { String::new() } else { format!("  {source}") }
}

fn part<'v>(told: &'v Value, key: &str) -> &'v Value {
    told.get(key).unwrap_or(&Value::Null)
}

fn items(told: &Value) -> impl Iterator<Item = &Value> {
    told.as_array().into_iter().flatten()
}

//! Where allocations come from: a table, for whoever wants to have fewer.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;

/// Frames of a call path that are shown.
const DEPTH: usize = 6;

/// Longer names of functions are cut, most often in their generic parameters.
const NAME_MAX: usize = 100;

/// Prints how often each place allocates, a request.
pub fn print(of: &str, requests: usize, allocated: &[(usize, Backtrace)]) {
    let mut sites: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (octets, from) in allocated {
        let (times, sum) = sites.entry(call_path(&from.to_string())).or_default();
        *times += 1;
        *sum += octets;
    }
    let mut sites: Vec<_> = sites.into_iter().collect();
    sites.sort_by_key(|(_, (times, octets))| std::cmp::Reverse((*times, *octets)));
    println!("\n## {of}: {} allocations in {requests} requests\n", allocated.len());
    println!("a request | octets each | where");
    for (path, (times, octets)) in sites {
        let rate = times as f64 / requests as f64;
        println!("{rate:9.2} | {:11} | {path}", octets / times);
    }
}

/// The innermost frames that say something, outwards: those of the standard library and of the count itself don't.
fn call_path(backtrace: &str) -> String {
    let mut frames = Vec::new();
    let mut lines = backtrace.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let Some((_, function)) = line.split_once(": ").filter(|(n, _)| n.parse::<u32>().is_ok()) else {
            continue;
        };
        let at = lines.next_if(|line| line.starts_with("at ")).unwrap_or("at /rustc/");
        let place = at.trim_start_matches("at ").trim_start_matches("./");
        let place = place
            .rsplit_once("/registry/src/")
            .and_then(|(_, place)| place.split_once('/'))
            .map_or(place, |(_, place)| place);
        if at.contains("/rustc/") || at.contains("allocations/count.rs") {
            continue;
        }
        let place = place.rsplit_once(':').map_or(place, |(line, _)| line);
        let function = function.get(..NAME_MAX).unwrap_or(function);
        frames.push(format!("{place}  {function}"));
        if frames.len() == DEPTH {
            break;
        }
    }
    frames.join("\n          |             |   < ")
}

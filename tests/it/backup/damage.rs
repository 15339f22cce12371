//! What is no good backup is refused, named, and changes nothing.

use aws_lc_rs::digest::{SHA256, digest};

use super::*;

/// Lines, sealed as they are.
fn sealed(lines: &[String]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let sum: String =
        digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}{{\"end\":{{\"records\":{},\"sha256\":\"{sum}\"}}}}\n", lines.len() - 1)
}

#[test]
fn a_damaged_file_is_refused_and_named() {
    let origin = Origin::saying("hello");
    let gateway = stored(&origin).start();
    let admin = gateway.admin_address();
    furnish(admin);
    let file = gateway.directory().join("good.backup");
    let good = backup(admin, &file);
    ask(admin, "DELETE", "/tenants/initech", "").assert_status(204);
    let before = in_full(admin);
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    lines.pop();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        sealed(&lines)
    };
    assert_eq!(with(&|_| ()), good);
    let tenant = lines.iter().position(|line| line.starts_with("{\"tenant\"")).unwrap();
    let key = lines.iter().position(|line| line.starts_with("{\"key\"")).unwrap();
    let cut = &good[..good.len() - 200];
    for (text, line, word) in [
        (String::new(), 1, "cut off"),
        (cut.to_owned(), good.lines().count(), "cut off"),
        (good.replacen("initech", "initecg", 1), lines.len() + 1, "sha256"),
        (good.replace("\"tollgate_backup\":1", "\"tollgate_backup\":2"), 1, "version 2"),
        ("{\"id\":\"initech\"}\n".to_owned(), 1, "first line of a backup"),
        ("SQLite format 3\0".to_owned(), 1, "first line of a backup"),
        (with(&|lines| lines.swap(tenant, key)), tenant + 1, "a part of the tenant before it"),
        (with(&|lines| lines[key] = "{\"key\":7}".to_owned()), key + 1, "a record of a backup"),
        (format!("{good}{}\n", lines[key]), lines.len() + 2, "nothing behind"),
    ] {
        let answer = ask(admin, "POST", "/restore?dry_run=false", if text.is_empty() { "\n" } else { &text });
        answer.assert_refused(422, "bad_backup");
        let problem = answer.json();
        if !text.is_empty() {
            assert_eq!(problem["line"], line, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains(word), "{word}: {problem}");
            assert!(problem["expected"].is_string() && problem["found"].is_string(), "{problem}");
        }
        std::fs::write(&file, &text).unwrap();
        let (code, _, err) = run(admin, &["restore", file.to_str().unwrap(), "--yes"]);
        assert!(code == Some(1) && err.contains(word), "{word}: {err}");
    }
    // Cut anywhere, and any byte changed.
    for at in (0..good.len() - 1).step_by(good.len() / 40) {
        let cut = ask(admin, "POST", "/restore?dry_run=false", format!("{}\n", &good[..at]));
        assert_eq!((cut.status, cut.code().as_str()), (422, "bad_backup"), "cut at {at}");
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = ask(admin, "POST", "/restore?dry_run=false", bytes);
        assert_eq!((changed.status, changed.code().as_str()), (422, "bad_backup"), "changed at {at}");
    }
    assert_eq!(in_full(admin), before, "nothing was changed");
    let left = std::fs::read_dir(gateway.directory().join("state")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| name.starts_with("tollgate.db")), "nothing is left over: {left:?}");
}

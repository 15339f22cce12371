//! Large answers of plain connections, whose octets pass through a pipe of the kernel's and are seen by nobody.

use crate::harness::{ACME, Client, Ending, Origin, config, eventually, fingerprint, get};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// Answers with as many octets as the path says, of its own noise.
fn origin() -> Origin {
    Origin::serving(|request, peer| {
        let length = length_of(&request.target);
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        answer.extend_from_slice(&noise(length as u64, length));
        peer.send(answer);
    })
}

fn length_of(target: &str) -> usize {
    target.trim_start_matches('/').parse().unwrap()
}

#[test]
fn answers_of_all_sizes_follow_each_other_on_the_same_two_connections() {
    let origin = origin();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let mut sum = 0;
    let around = |size: usize| [size - 1, size, size + 1];
    for size in
        [around(8 * KIB), around(32 * KIB), around(40 * KIB), around(64 * KIB), around(3 * MIB)].concat()
    {
        let answer = client.ask(&get(ACME, &format!("/{size}")));
        assert_eq!((answer.status, &answer.ending), (200, &Ending::Complete), "{size}");
        assert_eq!(fingerprint(&answer.body), fingerprint(&noise(size as u64, size)), "{size}");
        sum += size;
    }
    assert_eq!(origin.connections(), 1);
    let counted = || gateway.metric("tollgate_response_bytes_total", &[("tenant", "acme")]);
    eventually("all octets to be counted", || counted() == sum as f64);
}

#[test]
fn answers_to_requests_that_were_sent_together_stay_apart() {
    let origin = origin();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let sizes = [200 * KIB, 3, 100 * KIB, 50 * KIB, 10];
    client
        .send(sizes.map(|size| String::from_utf8(get(ACME, &format!("/{size}")).bytes()).unwrap()).concat());
    for size in sizes {
        assert_eq!(fingerprint(&client.answer().body), fingerprint(&noise(size as u64, size)), "{size}");
    }
}

#[test]
fn what_an_endpoint_breaks_off_is_cut_behind_what_it_has_said() {
    let said = 200 * KIB + 7;
    let origin = Origin::serving(move |request, peer| {
        let length = length_of(&request.target);
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        if length < MIB {
            peer.send(noise(1, length));
            return;
        }
        peer.send(noise(2, said));
        peer.finish_sending();
    });
    let gateway = config().to(&origin).start();
    let answer = gateway.ask(&get(ACME, &format!("/{MIB}")));
    assert_ne!(answer.ending, Ending::Complete);
    assert_eq!(fingerprint(&answer.body), fingerprint(&noise(2, said)));
    let entry = &gateway.access_log(1)[0];
    assert_eq!((&entry["code"], &entry["bytes_out"]), (&"upstream_protocol".into(), &said.into()), "{entry}");
    // Of what was in the pipe then nothing is the next one's.
    let answer = gateway.ask(&get(ACME, &format!("/{}", 100 * KIB)));
    assert_eq!(fingerprint(&answer.body), fingerprint(&noise(1, 100 * KIB)));
}

#[test]
#[cfg(target_os = "linux")]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 30 * MIB).into_bytes();
    let origin = Origin::answering([answer, vec![b'x'; 30 * MIB]].concat());
    let gateway = config().to(&origin).spawn();
    let before = gateway.pipes();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(get(ACME, "/").bytes());
            client
        })
        .collect();
    eventually("each to have a pipe", || gateway.pipes() >= before + 2 * clients.len());
    clients.into_iter().for_each(Client::reset);
    eventually("all pipes to be closed", || gateway.pipes() == before);
    assert_eq!(gateway.connect().ask(&get(ACME, "/")).body.len(), 30 * MIB);
}

//! Large bodies of plain connections, whose octets pass through a pipe of the kernel's and are seen by nobody.

use crate::harness::{
    ACME, Client, Ending, Message, Origin, config, eventually, fingerprint, get, post, request,
};

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
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper copies")]
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

/// Answers with the fingerprint of what was sent.
fn reader() -> Origin {
    Origin::serving(|request, peer| {
        let seen = fingerprint(&request.body);
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{seen}", seen.len()));
    })
}

fn put(length: usize) -> Message {
    request("PUT", ACME, "/").body(noise(length as u64, length))
}

#[test]
fn uploads_of_all_sizes_follow_each_other_on_the_same_two_connections() {
    let origin = reader();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let mut sum = 0;
    let around = |size: usize| [size - 1, size, size + 1];
    for size in
        [around(8 * KIB), around(32 * KIB), around(40 * KIB), around(64 * KIB), around(3 * MIB)].concat()
    {
        let body = noise(size as u64, size);
        for message in [put(size), post(ACME, "/", &body)] {
            let seen = fingerprint(&body);
            assert_eq!(client.ask(&message).text(), seen, "{size}");
            sum += size;
        }
    }
    assert_eq!((origin.connections(), gateway.access_log(30).len()), (1, 30));
    let counted = || gateway.metric("tollgate_request_bytes_total", &[("tenant", "acme")]);
    eventually("all octets to be counted", || counted() == sum as f64);
}

#[test]
fn uploads_that_were_sent_together_stay_apart() {
    let origin = reader();
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    let sizes = [200 * KIB, 3, 100 * KIB, 50 * KIB, 10];
    client.send(sizes.map(|size| put(size).bytes()).concat());
    for size in sizes {
        assert_eq!(client.answer().text(), fingerprint(&noise(size as u64, size)), "{size}");
    }
}

#[test]
fn an_upload_goes_on_while_its_answer_does() {
    let origin = Origin::on_connection(|_, mut peer| {
        while let Some(mut request) = peer.request_head() {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            peer.send_chunk("has begun");
            peer.request_body(&mut request).unwrap();
            peer.send_chunk(fingerprint(&request.body));
            peer.send("0\r\n\r\n");
        }
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    for size in [MIB, 100 * KIB] {
        let bytes = put(size).bytes();
        let (first, rest) = bytes.split_at(bytes.len() - 60 * KIB);
        client.send(first);
        assert_eq!(client.response_head().map(|head| head.status), Ok(200));
        assert_eq!(client.chunk().as_deref(), Ok(&b"has begun"[..]));
        client.send(rest);
        let seen = fingerprint(&noise(size as u64, size));
        assert_eq!(client.chunk().as_deref(), Ok(seen.as_bytes()), "{size}");
        assert_eq!(client.take(5).as_deref(), Ok(&b"0\r\n\r\n"[..]));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn what_a_client_breaks_off_is_never_taken_for_whole() {
    let origin = reader();
    let gateway = config().to(&origin).start();
    let said = 200 * KIB + 7;
    let mut client = gateway.connect();
    client.send(&put(MIB).bytes()[..said]);
    eventually("the endpoint to have all of it", || {
        origin.received().first().is_some_and(|received| received.len() > said)
    });
    client.finish_sending();
    eventually("the endpoint to be told", || origin.open_connections() == 0);
    let entry = &gateway.access_log(1)[0];
    assert_eq!(entry["status"], 408, "{entry}");
    let head = put(MIB).bytes().windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(entry["bytes_in"], said - head, "{entry}");
    // Of what was in the pipe then nothing is the next one's.
    assert_eq!(gateway.ask(&put(MIB)).text(), fingerprint(&noise(MIB as u64, MIB)));
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_client_that_sends_nothing_more_is_told_so_and_its_endpoint_let_go() {
    let origin = reader();
    let pool = "timeouts: { idle: 300ms }";
    let gateway = config().pool("shared", &[origin.address()], pool).start();
    let mut client = gateway.connect();
    client.send(&put(MIB).bytes()[..300 * KIB]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    eventually("the endpoint to be told", || origin.open_connections() == 0);
}

#[test]
fn an_endpoint_that_wants_no_more_of_an_upload_has_its_answer_passed_on() {
    let origin = Origin::on_connection(|_, mut peer| {
        peer.request_head();
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        peer.drain();
    });
    let gateway = config().to(&origin).start();
    let mut client = gateway.connect();
    client.send(&put(8 * MIB).bytes()[..MIB]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(feature = "hyper-upstream", ignore = "hyper copies")]
fn uploads_that_stop_in_the_middle_leave_no_pipe_behind() {
    let origin = reader();
    let gateway = config().to(&origin).spawn();
    let before = gateway.pipes();
    let head = format!("PUT / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {}\r\n\r\n", 30 * MIB);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = gateway.connect();
            client.send([head.as_bytes(), &[b'x'; 200 * KIB]].concat());
            client
        })
        .collect();
    eventually("each to have a pipe", || gateway.pipes() >= before + 2 * clients.len());
    clients.into_iter().for_each(Client::reset);
    eventually("all pipes to be closed", || gateway.pipes() == before);
}

/// Beyond this many bodies of a worker's are copied.
const PIPES_MAX: usize = 256;

#[test]
fn of_whose_body_nothing_was_taken_the_whole_request_goes_to_another_connection() {
    for held in [0, PIPES_MAX] {
        let origin = Origin::on_connection(move |nth, mut peer| {
            if nth < held {
                peer.request_head();
                peer.drain();
                return;
            }
            let Some(mut request) = peer.request() else { return };
            if nth == held {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                // The end of a connection that was kept crosses the next request's head.
                peer.request_head();
                return;
            }
            let seen = [&std::mem::take(&mut request.method), " ", &fingerprint(&request.body)].concat();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{seen}", seen.len()));
        });
        let gateway = config().to(&origin).start();
        let bytes = put(100 * KIB).header("X-Request-Timeout", "60000").bytes();
        let end = bytes.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = bytes.split_at(end);
        let holding: Vec<Client> = (0..held)
            .map(|_| {
                let mut client = gateway.connect();
                client.send(head);
                client
            })
            .collect();
        eventually("all of them to hold a pipe", || origin.connections() == held);
        assert_eq!(gateway.ask(&get(ACME, "/")).text(), "ok");
        let mut client = gateway.connect();
        client.send(head);
        eventually("another connection", || origin.connections() == held + 2);
        client.send(body);
        let seen = fingerprint(&noise(100 * KIB as u64, 100 * KIB));
        assert_eq!(client.answer().text(), format!("PUT {seen}"), "{held}");
        drop(holding);
    }
}

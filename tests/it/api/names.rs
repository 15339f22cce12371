//! A DNS server that knows what a test tells it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// A record of a name.
#[derive(Clone)]
pub enum Record {
    /// 127.0.0.N.
    Loopback(u8),
    /// A TXT record of these strings.
    Text(Vec<String>),
    /// What the name is called in truth.
    Alias(String),
}

type Zone = BTreeMap<String, Vec<Record>>;

/// Knows all names: some have records, others do not exist.
pub struct Names {
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked) = (Arc::<Mutex<Zone>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (known, log) = (Arc::clone(&zone), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut query = [0; 1024];
            while let Ok((_, from)) = socket.recv_from(&mut query) {
                let (name, end) = name(&query);
                let records = known.lock().unwrap().get(&name).cloned();
                log.lock().unwrap().push(name);
                let _ = socket.send_to(&answer(&query, end, records.as_deref()), from);
            }
        });
        Self { address, zone, asked }
    }

    /// Gives a name these records alone.
    pub fn set(&self, name: &str, records: &[Record]) {
        self.zone.lock().unwrap().insert(name.to_owned(), records.to_vec());
    }

    /// The names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A TXT record of one string.
pub fn text(text: &str) -> Record {
    Record::Text(vec![text.to_owned()])
}

/// The name that is asked for, and where it ends.
fn name(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..][..len]).to_lowercase());
        at += len + 1;
    }
    (labels.join("."), at + 1)
}

/// An answer (RFC 1035 §4.1): its question again and the records of its type, or NXDOMAIN.
fn answer(query: &[u8], end: usize, records: Option<&[Record]>) -> Vec<u8> {
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let data = |record: &Record| match (record, kind) {
        (Record::Loopback(last), 1) => Some((1, vec![127, 0, 0, *last])),
        (Record::Text(strings), 16) => Some((16, strings.iter().flat_map(|text| counted(text)).collect())),
        (Record::Alias(name), _) => {
            Some((5, name.split('.').flat_map(counted).chain([0]).collect::<Vec<u8>>()))
        }
        _ => None,
    };
    let answers: Vec<(u16, Vec<u8>)> = records.unwrap_or_default().iter().filter_map(data).collect();
    let code = if records.is_some() { 0x80 } else { 0x83 };
    let mut message = query[..2].to_vec();
    message.extend([0x85, code, 0, 1, 0, u8::try_from(answers.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(&query[12..end + 4]);
    for (kind, data) in answers {
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    message
}

fn counted(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

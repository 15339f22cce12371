//! gRPC through the gateway, end to end: its own client and server on both sides, all four kinds of calls.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::harness::{ACME, config, eventually};

/// gRPC's own server: says its port. Bytes go and come as they are.
const SERVER: &str = r#"
import sys, time, grpc
from concurrent import futures

def trailing(context):
    context.set_trailing_metadata((("x-sum", "7"),))
    return dict(context.invocation_metadata())

def unary(request, context):
    fields = trailing(context)
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not like this")
    if request == b"time":
        return b"%d" % (context.time_remaining() or 0)
    return fields["x-tenant-id"].encode() + b" " + request

def download(request, context):
    trailing(context)
    for nth in range(int(request)):
        yield b"%d" % nth

def upload(requests, context):
    trailing(context)
    return b"%d" % sum(int(request) for request in requests)

def chat(requests, context):
    trailing(context)
    yield from requests

kinds = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Download": grpc.unary_stream_rpc_method_handler(download),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Echo", kinds),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"#;

/// gRPC's own client. Says what it saw.
const CLIENT: &str = r#"
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.default_authority", sys.argv[2])])
count = int(sys.argv[3])
name = "/demo.Echo/"
within = {"timeout": 80}

answer, call = channel.unary_unary(name + "Unary").with_call(b"hello", **within)
print("unary", answer.decode(), call.code().name, dict(call.trailing_metadata())["x-sum"])
try:
    channel.unary_unary(name + "Unary")(b"fail", **within)
except grpc.RpcError as error:
    print("failed", error.code().name, error.details())
left = int(channel.unary_unary(name + "Unary")(b"time", timeout=60))
print("time", 0 < left <= 60)
call = channel.unary_stream(name + "Download")(b"1000", **within)
print("download", sum(int(message) for message in call), call.code().name)
answer, call = channel.stream_unary(name + "Upload").with_call((b"%d" % nth for nth in range(1000)), **within)
print("upload", answer.decode(), dict(call.trailing_metadata())["x-sum"])
call = channel.stream_stream(name + "Chat")((b"%d" % nth for nth in range(count)), **within)
print("chat", all(int(message) == nth for nth, message in enumerate(call)), call.code().name)

# Each says something only when the other has: nothing is held back for more to come.
heard = []
def turns():
    for nth in range(100):
        while len(heard) < nth:
            ready.wait(); ready.clear()
        yield b"%d" % nth
import threading
ready = threading.Event()
for message in channel.stream_stream(name + "Chat")(turns(), **within):
    heard.append(int(message)); ready.set()
print("turns", heard == list(range(100)))
"#;

/// A Python program, ended when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server() -> (Program, SocketAddr) {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = Program(command.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (program, SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())))
}

/// What the client saw.
fn calls(gateway: SocketAddr, count: u32) -> String {
    let arguments = ["-c", CLIENT, &gateway.to_string(), ACME, &count.to_string()];
    let output = Command::new("/usr/bin/python3").args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

#[test]
fn grpcio_calls_grpcio_in_all_four_ways() {
    let (_server, address) = server();
    let gateway = config().pool("shared", &[address], "protocol: h2").start();
    let expected = "unary acme hello OK 7\nfailed FAILED_PRECONDITION not like this\ntime True\n\
                    download 499500 OK\nupload 499500 7\nchat True OK\nturns True\n";
    assert_eq!(calls(gateway.address(), 100_000), expected);
    let pool = [("pool", "shared")];
    let open = gateway.metric("tollgate_upstream_connections", &pool);
    assert!((open - 1.0).abs() < f64::EPSILON, "all over one connection, not {open}");
    eventually("nothing is left", || gateway.metric("tollgate_endpoint_requests_in_flight", &pool) == 0.0);
}

//! Recordings as a client sends them: as the body, or as files of a form.
#![no_main]

mod server;

use libfuzzer_sys::fuzz_target;

// The first byte says in which way it is sent, and what is asked for.
fuzz_target!(|data: &[u8]| {
    let [way, body @ ..] = data else {
        return;
    };
    let accept = ["application/json", "text/csv", "application/x-wfdb", "*/*"];
    let kind = match way & 1 {
        0 => "application/octet-stream",
        _ => "multipart/form-data; boundary=b",
    };
    let request = server::post("/v1/recordings?name=a.edf")
        .header("accept", accept[usize::from(way >> 1 & 3)])
        .header("content-type", kind);
    server::ask(request, body);
});

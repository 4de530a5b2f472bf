//! Bodies of requests for inference: JSON, and tensors as bytes behind it.
#![no_main]

mod server;

use libfuzzer_sys::fuzz_target;

// The first two bytes say how many bytes of the body are JSON, if the header is sent
// at all, and whether the explain graph is asked.
fuzz_target!(|data: &[u8]| {
    let [high, low, body @ ..] = data else {
        return;
    };
    let length = u16::from_be_bytes([*high & 0x3f, *low]);
    let model = if high & 0x40 == 0 {
        "resnet"
    } else {
        "resnet-explain"
    };
    let mut request = server::post(&format!("/v2/models/{model}/infer"));
    if high & 0x80 != 0 {
        request = request.header("inference-header-content-length", length);
    }
    server::ask(request, body);
});

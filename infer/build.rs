//! Makes the messages of the gRPC protocol, and tells the tests whether there are
//! real recordings.

#[path = "../tests/recordings.rs"]
mod recordings;

const PROTOCOL: &str = "proto/open_inference.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    recordings::tell();
    println!("cargo::rerun-if-changed={PROTOCOL}");
    let messages = protox::compile([PROTOCOL], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .compile_fds(messages)?;
    Ok(())
}

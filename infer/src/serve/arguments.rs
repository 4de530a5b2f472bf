//! The arguments of `serve`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::{Args, ValueEnum};

use crate::classifier;
use crate::device::Device;

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Models to serve: files, and folders of files or of NAME/VERSION/model.onnx
    /// [default: those in the models folder].
    #[arg(short, long = "models", visible_alias = "model", value_name = "PATH")]
    pub models: Vec<PathBuf>,
    /// The address to listen at. Beyond this machine, think of --token-file and --tls-cert.
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Threads that run graphs [default: all cores].
    #[arg(long, value_name = "N", value_parser = classifier::threads)]
    pub threads: Option<NonZeroUsize>,
    /// What runs the models: cpu, cuda, cuda:1, tensorrt.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Most beats of one run of a graph, which requests share.
    #[arg(long, value_name = "BEATS", default_value_t = crate::pool::BATCH, value_parser = within(1, 4096))]
    pub batch: usize,
    /// Milliseconds that a request may wait for others to share its run.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1000))]
    pub batch_delay: u64,
    /// Beats that may wait; requests beyond are refused with 503.
    #[arg(long, value_name = "BEATS", default_value_t = 8192, value_parser = within(1, 1 << 24))]
    pub queue: usize,
    /// Connections at a time; more wait to be accepted.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = within(1, 1 << 20))]
    pub connections: usize,
    /// Seconds that a request for inference may take, and that a recording may come
    /// without a byte.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// Largest body of a request for inference, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = within(1, 1024))]
    pub body: usize,
    /// Largest recording that may be sent, in MiB; it is kept on disk.
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = within(1, 1 << 20))]
    pub recording: usize,
    /// Recordings that are worked on at a time [default: half of the threads].
    #[arg(long, value_name = "N", value_parser = within(1, 1024))]
    pub recordings: Option<usize>,
    /// Minutes that the results of a recording are kept for whoever asked for them by
    /// `Prefer: respond-async`, as the page does.
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub keep: u64,
    /// A file whose first line is the token that requests must bear.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The certificate chain, PEM: serve TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let pages of this origin call the server, such as https://example.org.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors: Vec<HeaderValue>,
    /// How the log on standard error is written.
    #[arg(long, value_enum, default_value_t = Log::Text)]
    pub log: Log,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Arguments {
    /// [`Arguments::timeout`].
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

fn within(least: usize, most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse().ok();
        number
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| format!("it may be {least} to {most}"))
    }
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let wanted = "an origin is a scheme and a host, such as https://example.org";
    let whole = text
        .split_once("://")
        .is_some_and(|(_, host)| !host.is_empty() && !host.contains(['/', '*', '?']));
    let value = HeaderValue::from_str(text).ok().filter(|_| whole);
    value.ok_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_schemes_with_hosts() {
        assert!(origin("https://example.org").is_ok());
        assert!(origin("http://localhost:3000").is_ok());
        for wrong in ["*", "example.org", "https://example.org/", "https://", ""] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}

//! Links that can be lost: serial devices and TCP connections.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, SpecialCodeIndex};

use crate::arguments::Origin;
use crate::source::Plan;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one read waits, so that a request to stop is seen.
const WAIT: Duration = Duration::from_millis(200);

/// An open link.
pub enum Link {
    /// A serial device.
    Serial(File),
    /// A TCP connection.
    Tcp(TcpStream),
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            // The device's own timeout shows as a read of nothing; so does a
            // device that was pulled out, but then the poll fails or hangs up.
            Link::Serial(file) => match file.read(buffer) {
                Ok(0) if !hung_up(file) => Err(std::io::ErrorKind::TimedOut.into()),
                result => result,
            },
            Link::Tcp(stream) => stream.read(buffer),
        }
    }
}

/// Opens the source of a plan.
///
/// # Errors
/// There is no such device or no answer; the message says which.
pub fn open(plan: &Plan) -> Result<Link> {
    match &plan.origin {
        Origin::Serial(path) => serial(path, plan.baud),
        Origin::Tcp(address) => tcp(address),
        other => bail!("{}: is no link", other.name()),
    }
}

fn tcp(address: &str) -> Result<Link> {
    let name = || format!("tcp://{address}");
    let mut last = None;
    for resolved in address.to_socket_addrs().with_context(name)? {
        match TcpStream::connect_timeout(&resolved, CONNECT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(WAIT)).with_context(name)?;
                return Ok(Link::Tcp(stream));
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error).with_context(name),
        None => bail!("{}: the host has no address", name()),
    }
}

fn serial(path: &Path, baud: u32) -> Result<Link> {
    let name = || path.display().to_string();
    let file = OpenOptions::new()
        .read(true)
        // A line without carrier must not block, nor become our terminal.
        .custom_flags((OFlags::NOCTTY | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .with_context(name)?;
    if !termios::isatty(&file) {
        // A device without line settings, such as a FIFO of samples.
        return Ok(Link::Serial(file));
    }
    let mut settings = termios::tcgetattr(&file).with_context(name)?;
    settings.make_raw();
    settings
        .set_speed(baud)
        .with_context(|| format!("{}: --baud {baud}", name()))?;
    // A read returns what there is, or nothing after WAIT.
    settings.special_codes[SpecialCodeIndex::VMIN] = 0;
    settings.special_codes[SpecialCodeIndex::VTIME] = (WAIT.as_millis() / 100) as u8;
    termios::tcsetattr(&file, OptionalActions::Flush, &settings).with_context(name)?;
    let flags = rustix::fs::fcntl_getfl(&file).with_context(name)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK).with_context(name)?;
    Ok(Link::Serial(file))
}

/// Whether the other end is gone for good.
fn hung_up(file: &File) -> bool {
    termios::tcgetattr(file).is_err()
}

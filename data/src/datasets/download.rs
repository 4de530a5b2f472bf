//! Downloading a database from PhysioNet, resumable and verified.
//!
//! `SHA256SUMS.txt` of the database says which files there are. Each is
//! fetched to `NAME.part`, continued there after an interruption, and gets its
//! name once its checksum is right. A folder in which a download has begun and
//! not ended holds the file [`UNFINISHED`].

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ureq::Agent;
use ureq::http::StatusCode;

use crate::formats::OWN_FILES;
use crate::output::{self, Outputs};
use crate::record::annotation::REFERENCE;
use crate::record::checksum;
use crate::record::error::{Error, Result};

/// The MIT-BIH Arrhythmia Database at PhysioNet.
pub const MITDB_URL: &str = "https://physionet.org/files/mitdb/1.0.0/";
/// Marks a folder whose download has not ended.
pub const UNFINISHED: &str = ".unfinished";

/// The list of a database's files and their checksums.
const SUMS: &str = "SHA256SUMS.txt";
/// The list of records, fetched where the database has one.
const RECORDS: &str = "RECORDS";
/// Most bytes of [`SUMS`].
const SUMS_LIMIT: u64 = 1 << 22;
/// Most bytes of one file.
const FILE_LIMIT: u64 = 1 << 34;
/// Attempts at one file; a broken connection costs one, but loses nothing.
const ATTEMPTS: u32 = 6;
/// Wait before the second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);

/// What [`fetch`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files of the database that are now in the folder.
    pub files: usize,
    /// Those that had to be fetched; the others were there already.
    pub new_files: usize,
    /// Bytes received.
    pub bytes: u64,
}

/// Downloads the records below `url` into `folder`, with a progress bar where
/// standard error is a terminal. Files that are there and right are kept, a
/// file that was begun is continued; others of the same names are replaced only
/// with `force`.
///
/// # Errors
/// [`Error::Invalid`] when the server cannot be reached, has no list of
/// checksums, keeps sending what does not match it, or a file of another origin
/// is in the way; [`Error::Io`] when the folder cannot be written.
pub fn fetch(url: &str, folder: &Path, force: bool) -> Result<Fetched> {
    Fetcher::new(url, folder, PAUSE, force).run()
}

/// Whether a download into this folder has begun and not ended.
pub fn is_unfinished(folder: &Path) -> bool {
    folder.join(UNFINISHED).exists()
}

struct Fetcher {
    agent: Agent,
    /// Ends with a slash.
    url: String,
    folder: PathBuf,
    pause: Duration,
    force: bool,
}

/// Why an attempt failed.
enum Failure {
    /// Another attempt may succeed.
    Transient(String),
    /// It will not.
    Final(Error),
}

impl Fetcher {
    fn new(url: &str, folder: &Path, pause: Duration, force: bool) -> Fetcher {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .user_agent(concat!("ectopy/", env!("CARGO_PKG_VERSION")))
            .build();
        Fetcher {
            agent: config.into(),
            url: format!("{}/", url.trim_end_matches('/')),
            folder: folder.to_owned(),
            pause,
            force,
        }
    }

    fn run(&self) -> Result<Fetched> {
        let list = self.retry(SUMS, || self.text(SUMS))?;
        std::fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        let files = wanted(&list, &self.url)?;
        self.refuse_others(&files)?;
        let marker = self.folder.join(UNFINISHED);
        std::fs::write(&marker, b"").map_err(Error::io(&marker))?;
        let bar = ProgressBar::new(files.len() as u64);
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:>12} [{bar:40}] {pos}/{len} files, {elapsed_precise}, {eta} left",
        ) {
            bar.set_style(style);
        }
        let mut done = Fetched::default();
        for (name, sum) in &files {
            bar.set_message(name.clone());
            let path = self.folder.join(name);
            if !(path.is_file() && checksum::of_file(&path)? == *sum) {
                done.bytes += self.file(name, sum)?;
                done.new_files += 1;
            }
            done.files += 1;
            bar.inc(1);
        }
        output::write(self.folder.join(SUMS), list.as_bytes())?;
        std::fs::remove_file(&marker).map_err(Error::io(&marker))?;
        bar.finish_and_clear();
        Ok(done)
    }

    /// Refuses to replace files that are not the database's, before any is
    /// fetched, and says which.
    fn refuse_others(&self, files: &[(String, String)]) -> Result<()> {
        let mut outputs = Outputs::new(self.force);
        for (name, sum) in files {
            let path = self.folder.join(name);
            if !(path.is_file() && checksum::of_file(&path)? == *sum) {
                outputs.file(&path)?;
            }
        }
        Ok(())
    }

    /// Fetches one file and returns the bytes received.
    fn file(&self, name: &str, sum: &str) -> Result<u64> {
        let path = self.folder.join(name);
        let part = self.folder.join(format!("{name}.part"));
        let mut received = 0;
        self.retry(name, || {
            self.continue_part(name, &part, &mut received)?;
            let found = checksum::of_file(&part).map_err(Failure::Final)?;
            if found == sum {
                return Ok(());
            }
            std::fs::remove_file(&part).map_err(|e| Failure::Final(Error::io(&part)(e)))?;
            Err(Failure::Transient(format!(
                "its SHA-256 is {found}, but {SUMS} says {sum}"
            )))
        })?;
        std::fs::rename(&part, &path).map_err(Error::io(&path))?;
        Ok(received)
    }

    /// Appends what is missing to a file that was begun.
    fn continue_part(&self, name: &str, part: &Path, received: &mut u64) -> Result<(), Failure> {
        let disk = |e| Failure::Final(Error::io(part)(e));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .map_err(disk)?;
        let have = file.metadata().map_err(disk)?.len();
        let mut request = self.agent.get(format!("{}{name}", self.url));
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(transient)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if have > 0 => {}
            // Nothing is left to send, or what we have is not its beginning:
            // the checksum will tell.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
            // A server that cannot continue starts again.
            StatusCode::OK => file.set_len(0).map_err(disk)?,
            status => return Err(self.refused(name, status)),
        }
        let mut body = response.body_mut().as_reader().take(FILE_LIMIT);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    file.write_all(&buffer[..count]).map_err(disk)?;
                    *received += count as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::Transient(e.to_string())),
            }
        }
        file.sync_all().map_err(disk)
    }

    fn text(&self, name: &str) -> Result<String, Failure> {
        let request = self.agent.get(format!("{}{name}", self.url));
        let mut response = request.call().map_err(|error| self.unreachable(error))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(name, response.status()));
        }
        let body = response.body_mut().with_config().limit(SUMS_LIMIT);
        body.read_to_string().map_err(transient)
    }

    /// What a first request that gets no answer means: without a way to the
    /// server, another attempt only makes the user wait.
    fn unreachable(&self, error: ureq::Error) -> Failure {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let no_way = match &error {
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            ureq::Error::Timeout(when) => {
                matches!(when, ureq::Timeout::Connect | ureq::Timeout::Resolve)
            }
            ureq::Error::Io(cause) => {
                // The system's resolver has no kind of its own.
                [ConnectionRefused, HostUnreachable, NetworkUnreachable].contains(&cause.kind())
                    || cause.to_string().contains("lookup address")
            }
            _ => false,
        };
        match no_way {
            true => Failure::Final(Error::Invalid(format!(
                "{}{SUMS}: the server cannot be reached: {error}",
                self.url
            ))),
            false => transient(error),
        }
    }

    /// What a status other than success means.
    fn refused(&self, name: &str, status: StatusCode) -> Failure {
        let what = format!("{}{name}: the server answers {status}", self.url);
        let passes = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        if passes {
            Failure::Transient(what)
        } else {
            Failure::Final(Error::Invalid(what))
        }
    }

    fn retry<T>(&self, name: &str, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        let mut pause = self.pause;
        let mut last = String::new();
        for number in 0..ATTEMPTS {
            if number > 0 {
                std::thread::sleep(pause);
                pause *= 2;
            }
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(why)) => last = why,
            }
        }
        Err(Error::Invalid(format!(
            "{}{name}: {last} ({ATTEMPTS} attempts); what has arrived is kept, run it again to go on",
            self.url
        )))
    }
}

fn transient(error: ureq::Error) -> Failure {
    Failure::Transient(error.to_string())
}

/// The files of a list of checksums that make up the records, with their sums.
fn wanted(list: &str, url: &str) -> Result<Vec<(String, String)>> {
    let malformed = |line: &str| {
        let line: String = line.chars().take(80).collect();
        Error::Invalid(format!(
            "{url}{SUMS}: '{line}' is not 'SHA256 NAME'; the address must be that of a database's files, such as {MITDB_URL}"
        ))
    };
    let mut files = Vec::new();
    for line in list.lines().filter(|l| !l.trim().is_empty()) {
        let (sum, name) = line.split_once(' ').ok_or_else(|| malformed(line))?;
        if sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed(line));
        }
        let name = name.trim_start_matches([' ', '*']).trim();
        // Files in folders below are not records of the database itself, and
        // no other path may be written to.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.starts_with('.') || !name.bytes().all(plain) {
            continue;
        }
        let extension = Path::new(name).extension().and_then(|e| e.to_str());
        let wanted = |e: &str| OWN_FILES.contains(&e) || e == REFERENCE;
        if name == RECORDS || extension.is_some_and(wanted) {
            files.push((name.to_owned(), sum.to_ascii_lowercase()));
        }
    }
    if files.is_empty() {
        return Err(Error::Invalid(format!("{url}{SUMS} lists no WFDB records")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests;

//! Downloads from a local HTTP server that misbehaves on demand.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::*;

/// What the server does wrong, per file name.
#[derive(Clone, Copy)]
enum Fault {
    /// Closes the connection after so many bytes, so many times.
    Cut { after: usize, times: usize },
    /// Flips a bit of a byte, so many times.
    Corrupt { at: usize, times: usize },
    /// Ignores `Range`.
    NoRange,
    /// Answers 503, so many times.
    Busy { times: usize },
}

/// Requests: file name and start of the `Range`, in order.
type Log = Mutex<Vec<(String, Option<u64>)>>;

struct Server {
    url: String,
    seen: Arc<Log>,
}

type Files = HashMap<String, Vec<u8>>;

impl Server {
    fn start(files: Files, faults: &[(&str, Fault)]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/db/1.0.0", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let mut faults: Vec<(String, Fault)> =
            faults.iter().map(|(n, f)| ((*n).to_owned(), *f)).collect();
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has gone away is no concern of the server.
                let _ = answer(stream.unwrap(), &files, &mut faults, &log);
            }
        });
        Server { url, seen }
    }

    fn ranges(&self, name: &str) -> Vec<Option<u64>> {
        let seen = self.seen.lock().unwrap();
        let of_file = seen.iter().filter(|(n, _)| n == name);
        of_file.map(|(_, range)| *range).collect()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &Files,
    faults: &mut [(String, Fault)],
    log: &Log,
) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse().ok();
        }
    }
    let name = path.strip_prefix("/db/1.0.0/").unwrap_or_default();
    log.lock().unwrap().push((name.to_owned(), range));
    let close = "Connection: close\r\n\r\n";
    let Some(content) = files.get(name) else {
        return write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n{close}"
        );
    };
    let mut content = content.clone();
    let mut most = usize::MAX;
    for (_, fault) in faults.iter_mut().filter(|(n, _)| n == name) {
        match fault {
            Fault::Cut { after, times } if *times > 0 => {
                *times -= 1;
                most = *after;
            }
            Fault::Corrupt { at, times } if *times > 0 => {
                *times -= 1;
                content[*at] ^= 0x10;
            }
            Fault::NoRange => range = None,
            Fault::Busy { times } if *times > 0 => {
                *times -= 1;
                let status = "503 Service Unavailable";
                return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{close}");
            }
            _ => {}
        }
    }
    let from = range.unwrap_or(0) as usize;
    if range.is_some() && from >= content.len() {
        let status = "416 Range Not Satisfiable";
        return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{close}");
    }
    let status = if range.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let rest = &content[from..];
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}",
        rest.len()
    )?;
    stream.write_all(&rest[..rest.len().min(most)])
}

/// A record in three files, and what a list of checksums has beside records.
fn database() -> Files {
    let mut files = Files::new();
    for (name, length) in [("100.hea", 90), ("100.dat", 300_000), ("100.atr", 5_000)] {
        let content = (0..length).map(|i: usize| (i * i / 7) as u8).collect();
        files.insert(name.into(), content);
    }
    files.insert("RECORDS".into(), b"100\n".to_vec());
    files.insert("index.html".into(), b"not a record".to_vec());
    with_sums(files)
}

fn with_sums(mut files: Files) -> Files {
    let sums: String = files
        .iter()
        .map(|(name, content)| {
            let sum = crate::record::checksum::hexadecimal(&Sha256::digest(content));
            format!("{sum} {name}\n")
        })
        .collect();
    files.insert(SUMS.into(), sums.into_bytes());
    files
}

fn run(server: &Server, folder: &Path) -> Result<Fetched> {
    Fetcher::new(&server.url, folder, Duration::ZERO, false).run()
}

/// Whether the folder has just the files of the database, byte for byte.
fn assert_complete(folder: &Path, files: &Files) {
    for (name, content) in files.iter().filter(|(name, _)| *name != "index.html") {
        assert!(
            std::fs::read(folder.join(name)).unwrap() == *content,
            "{name}"
        );
    }
    let expected = files.keys().filter(|name| *name != "index.html").count();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), expected);
    assert!(!is_unfinished(folder));
}

#[test]
fn a_second_download_fetches_nothing() {
    let (files, folder) = (database(), tempfile::tempdir().unwrap());
    let server = Server::start(files.clone(), &[]);
    let first = run(&server, folder.path()).unwrap();
    assert_eq!((first.files, first.new_files, first.bytes), (4, 4, 305_094));
    assert_complete(folder.path(), &files);
    let second = run(&server, folder.path()).unwrap();
    assert_eq!((second.files, second.new_files, second.bytes), (4, 0, 0));
    // A file that was changed on the disk is fetched again where that is asked.
    std::fs::write(folder.path().join("100.atr"), b"changed").unwrap();
    let refusal = run(&server, folder.path()).unwrap_err().to_string();
    assert!(refusal.contains("100.atr") && refusal.contains("--force"));
    assert!(!is_unfinished(folder.path()));
    let forced = Fetcher::new(&server.url, folder.path(), Duration::ZERO, true);
    assert_eq!(forced.run().unwrap().new_files, 1);
    assert_complete(folder.path(), &files);
}

#[test]
fn a_cut_connection_is_continued() {
    let (files, folder) = (database(), tempfile::tempdir().unwrap());
    let cut = Fault::Cut {
        after: 70_000,
        times: 3,
    };
    let server = Server::start(files.clone(), &[("100.dat", cut)]);
    let fetched = run(&server, folder.path()).unwrap();
    assert_complete(folder.path(), &files);
    assert_eq!(fetched.bytes, 305_094, "nothing is fetched twice");
    let ranges = [None, Some(70_000), Some(140_000), Some(210_000)];
    assert_eq!(server.ranges("100.dat"), ranges);
}

#[test]
fn an_interrupted_download_is_continued_by_the_next() {
    let (files, folder) = (database(), tempfile::tempdir().unwrap());
    let cut = Fault::Cut {
        after: 1000,
        times: ATTEMPTS as usize,
    };
    let server = Server::start(files.clone(), &[("100.dat", cut)]);
    let message = run(&server, folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("100.dat") && message.contains("run it again"),
        "{message}"
    );
    assert!(is_unfinished(folder.path()));
    assert!(!folder.path().join("100.dat").exists());
    run(&server, folder.path()).unwrap();
    assert_complete(folder.path(), &files);
    let last = server.ranges("100.dat").last().copied().flatten();
    assert_eq!(last, Some(u64::from(ATTEMPTS) * 1000));
}

#[test]
fn a_server_without_ranges_starts_again() {
    let (files, folder) = (database(), tempfile::tempdir().unwrap());
    let cut = Fault::Cut {
        after: 70_000,
        times: 1,
    };
    let faults = [("100.dat", cut), ("100.dat", Fault::NoRange)];
    let server = Server::start(files.clone(), &faults);
    run(&server, folder.path()).unwrap();
    assert_complete(folder.path(), &files);
}

#[test]
fn a_corrupt_byte_is_noticed_and_fetched_again() {
    let (files, folder) = (database(), tempfile::tempdir().unwrap());
    let corrupt = Fault::Corrupt {
        at: 12_345,
        times: 1,
    };
    let server = Server::start(files.clone(), &[("100.dat", corrupt)]);
    run(&server, folder.path()).unwrap();
    assert_complete(folder.path(), &files);
    assert_eq!(server.ranges("100.dat"), [None, None]);
}

#[test]
fn lasting_corruption_is_an_error_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let corrupt = Fault::Corrupt { at: 5, times: 99 };
    let server = Server::start(database(), &[("100.hea", corrupt)]);
    let message = run(&server, folder.path()).unwrap_err().to_string();
    assert!(message.contains("100.hea: its SHA-256 is"), "{message}");
    assert!(!folder.path().join("100.hea").exists());
    assert!(is_unfinished(folder.path()));
}

#[test]
fn a_busy_server_is_waited_for_and_an_absent_file_is_not() {
    let (mut files, folder) = (database(), tempfile::tempdir().unwrap());
    let server = Server::start(files.clone(), &[(SUMS, Fault::Busy { times: 2 })]);
    run(&server, folder.path()).unwrap();
    assert_eq!(server.ranges(SUMS).len(), 3);

    files.remove("100.atr");
    let (server, folder) = (Server::start(files, &[]), tempfile::tempdir().unwrap());
    let message = run(&server, folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("100.atr: the server answers 404"),
        "{message}"
    );
    assert_eq!(server.ranges("100.atr").len(), 1);
}

#[test]
fn no_server_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let fetcher = Fetcher::new(&url, folder.path(), Duration::ZERO, false);
    let message = fetcher.run().unwrap_err().to_string();
    assert!(
        message.contains(SUMS) && message.contains("cannot be reached"),
        "{message}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn lists_that_would_write_elsewhere_are_harmless() {
    let sum = "0".repeat(64);
    let list = format!("{sum} ../up.dat\n{sum} sub/a.dat\n{sum} .b.dat\n{sum}  ok.dat\n");
    let files = wanted(&list, "u/").unwrap();
    assert_eq!(files, [("ok.dat".to_owned(), sum)]);
    for bad in ["<html>", "abc 100.dat", ""] {
        assert!(wanted(bad, "u/").is_err(), "{bad}");
    }
}

/// The same over the real files.
#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn real_records_survive_cuts_and_corruption() {
    let source = Path::new(env!("ECTOPY_RECORDINGS")).join("mitdb");
    let mut files = Files::new();
    for name in ["100", "201"] {
        for extension in OWN_FILES.into_iter().chain([REFERENCE]) {
            let name = format!("{name}.{extension}");
            let content = std::fs::read(source.join(&name)).unwrap();
            files.insert(name, content);
        }
    }
    let mut published = String::new();
    for line in std::fs::read_to_string(source.join(SUMS)).unwrap().lines() {
        if files.keys().any(|name| line.ends_with(&format!(" {name}"))) {
            published += &format!("{line}\n");
        }
    }
    files.insert(SUMS.into(), published.into_bytes());
    let faults = [
        (
            "100.dat",
            Fault::Cut {
                after: 400_000,
                times: 2,
            },
        ),
        (
            "201.dat",
            Fault::Corrupt {
                at: 900_000,
                times: 1,
            },
        ),
    ];
    let (server, folder) = (
        Server::start(files.clone(), &faults),
        tempfile::tempdir().unwrap(),
    );
    let fetched = run(&server, folder.path()).unwrap();
    assert_eq!(fetched.new_files, 6);
    assert_complete(folder.path(), &files);
    let record = crate::formats::open(&folder.path().join("201")).unwrap();
    let record = record.read().unwrap();
    assert_eq!(record.len(), 650_000);
}

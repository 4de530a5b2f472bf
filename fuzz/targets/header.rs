//! Any bytes as a WFDB header.

#![no_main]

use std::path::Path;

use data::formats::wfdb::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(header) = Header::parse(&text, Path::new("fuzz.hea")) {
        assert!(header.signals.is_empty() || header.signals.len() == header.signal_count);
        assert!(header.frame_fs > 0.0 && header.signals.iter().all(|s| s.gain != 0.0));
    }
});

//! Any bytes as a Kaggle CSV file.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use data::Classes;
use data::beat_files::kaggle::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    for chunk in
        Reader::new(input, Path::new("fuzz.csv"), 7, &Classes::aami5()).map_while(Result::ok)
    {
        assert!(chunk.len() <= 7 && chunk.windows.iter().all(|v| v.is_finite()));
        assert!(chunk.labels.is_empty() || chunk.labels.len() == chunk.len());
    }
});

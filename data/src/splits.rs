//! Which recordings, patients and beats train, validate and test.

/// Training records of the inter-patient split of de Chazal et al. (2004).
pub const DS1: [&str; 22] = [
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
    "203", "205", "207", "208", "209", "215", "220", "223", "230",
];

/// Test records of the inter-patient split of de Chazal et al. (2004).
pub const DS2: [&str; 22] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213",
    "214", "219", "221", "222", "228", "231", "232", "233", "234",
];

/// Records with paced beats, which EC57 leaves out of both.
pub const PACED: [&str; 4] = ["102", "104", "107", "217"];

/// The patient of a record of the MIT-BIH Arrhythmia Database: records 201 and
/// 202 are of one subject, every other record is of its own. Records of other
/// databases are taken for patients of their own.
pub fn patient(record: &str) -> &str {
    if record == "202" { "201" } else { record }
}

//! WFDB files: records and their annotations.

mod annotation;
mod files;
mod format;
mod header;
mod record;
mod signal;
mod write;

pub use annotation::{AnnotationFile, AnnotationWriter, read_annotations, write_annotations};
pub use files::record_files;
pub use format::Format;
pub use header::{Header, Segment, SignalHeader};
pub(crate) use record::header_path;
pub use record::{read_record, record_names};
pub use write::write_record;

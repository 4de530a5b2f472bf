//! WFDB files: records and their annotations.

mod annotation;
mod clock;
mod folder;
mod format;
mod header;
mod labels;
mod record;
mod signal;
mod write;

pub use annotation::{AnnotationFile, AnnotationWriter, read_annotations, write_annotations};
pub use clock::Clock;
pub(crate) use folder::is_inside;
pub(super) use folder::{files, header_names, record_names, record_of};
pub use format::Format;
pub use header::{Header, Segment, SignalHeader};
pub use labels::Label;
pub(super) use record::{Layout, Reader, header_path};
pub use write::{write_record, written_files};

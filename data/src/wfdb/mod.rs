//! WFDB files: records and their annotations.

mod annotation;

pub use annotation::{AnnotationFile, read_annotations, write_annotations};

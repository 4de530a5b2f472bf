//! The columns of Parquet files: numbers and text, whatever their types.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::record::error::{Error, Result};

/// A column as the file has it.
pub(crate) struct Leaf {
    pub name: String,
    /// Levels of lists that a value lies in.
    pub lists: i16,
    /// The level of a value that is there.
    pub present: i16,
    /// Whether its integers have no sign.
    pub unsigned: bool,
    /// Why its values cannot be read, if they cannot.
    pub foreign: Option<&'static str>,
    /// Its type, as far as it says more than numbers or text.
    pub logical: Option<LogicalType>,
}

impl Leaf {
    /// What a file's description says of a column.
    pub fn of(column: &ColumnDescriptor) -> Leaf {
        let parts = column.path().parts();
        let lists = column.max_rep_level();
        let name = match lists {
            0 => parts.join("."),
            _ => parts.first().cloned().unwrap_or_default(),
        };
        let converted = column.converted_type();
        let logical = column.logical_type_ref();
        let decimal = converted == ConvertedType::DECIMAL
            || matches!(logical, Some(LogicalType::Decimal { .. }));
        let half = matches!(logical, Some(LogicalType::Float16));
        Leaf {
            name,
            logical: logical.cloned(),
            lists,
            present: column.max_def_level(),
            unsigned: matches!(
                converted,
                ConvertedType::UINT_8
                    | ConvertedType::UINT_16
                    | ConvertedType::UINT_32
                    | ConvertedType::UINT_64
            ),
            foreign: match (decimal, half, lists) {
                (true, ..) => Some("decimals"),
                (_, true, _) => Some("16-bit floats"),
                (_, _, 2..) => Some("lists of lists"),
                _ => None,
            },
        }
    }
}

/// A file's groups of rows, one open at a time.
pub(crate) struct Groups {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Its columns.
    pub leaves: Vec<Leaf>,
    /// Groups that were opened.
    begun: usize,
    /// Readers of the open group's columns, those that are used.
    pub open: Vec<Option<ColumnReader>>,
    /// Rows of the open group that are not read.
    pub left: usize,
}

impl Groups {
    /// Opens a file and reads what its columns are.
    pub fn of(path: &Path) -> Result<Groups> {
        let file = File::open(path).map_err(Error::io(path))?;
        let file = SerializedFileReader::new(file).map_err(damaged(path))?;
        let schema = file.metadata().file_metadata().schema_descr();
        Ok(Groups {
            path: path.into(),
            leaves: schema.columns().iter().map(|c| Leaf::of(c)).collect(),
            file,
            begun: 0,
            open: Vec::new(),
            left: 0,
        })
    }

    /// Opens the next group of rows where none is left, with the columns at the
    /// places that are used; false after the last.
    pub fn begin(&mut self, is_used: impl Fn(usize) -> bool) -> Result<bool> {
        while self.left == 0 {
            if self.begun == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.begun);
            let group = group.map_err(damaged(&self.path))?;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let open = (0..self.leaves.len()).map(|at| match is_used(at) {
                true => group.get_column_reader(at).map(Some),
                false => Ok(None),
            });
            let open = open.collect::<Result<_, _>>();
            self.open = open.map_err(damaged(&self.path))?;
            self.begun += 1;
        }
        Ok(true)
    }
}

/// The values of a column, of some rows.
pub(crate) enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

impl Values {
    /// The values as a class or a patient is written.
    pub fn texts(self) -> Vec<String> {
        match self {
            Values::Texts(texts) => texts,
            Values::Numbers(numbers) => numbers.iter().map(f64::to_string).collect(),
        }
    }
}

/// The next `count` values of a column, those that are there, and which ones
/// these are; `None` for a type that is neither numbers nor text.
pub(crate) fn read(
    reader: &mut ColumnReader,
    leaf: &Leaf,
    count: usize,
) -> Result<Option<(Values, Levels)>, ParquetError> {
    let unsigned = leaf.unsigned;
    let read = match reader {
        ColumnReader::FloatColumnReader(r) => numbers(r, count, f64::from),
        ColumnReader::DoubleColumnReader(r) => numbers(r, count, |v| v),
        ColumnReader::BoolColumnReader(r) => numbers(r, count, f64::from),
        ColumnReader::Int32ColumnReader(r) => numbers(r, count, |v: i32| match unsigned {
            true => f64::from(v as u32),
            false => f64::from(v),
        }),
        ColumnReader::Int64ColumnReader(r) => numbers(r, count, |v: i64| match unsigned {
            true => v as u64 as f64,
            false => v as f64,
        }),
        ColumnReader::ByteArrayColumnReader(r) => {
            let text = |v: ByteArray| String::from_utf8_lossy(v.data()).trim().to_owned();
            records(r, count, text).map(|(values, levels)| (Values::Texts(values), levels))
        }
        _ => return Ok(None),
    };
    read.map(Some)
}

/// What tells which values are there, and where rows begin.
pub(crate) struct Levels {
    pub present: Vec<i16>,
    pub repeated: Vec<i16>,
    pub rows: usize,
}

fn records<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    of: impl Fn(T::T) -> V,
) -> Result<(Vec<V>, Levels), ParquetError> {
    let (mut values, mut present, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = 0;
    while rows < count {
        let (more, ..) = reader.read_records(
            count - rows,
            Some(&mut present),
            Some(&mut repeated),
            &mut values,
        )?;
        if more == 0 {
            break;
        }
        rows += more;
    }
    let levels = Levels {
        present,
        repeated,
        rows,
    };
    Ok((values.into_iter().map(of).collect(), levels))
}

fn numbers<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    of: impl Fn(T::T) -> f64,
) -> Result<(Values, Levels), ParquetError> {
    let (values, levels) = records(reader, count, of)?;
    Ok((Values::Numbers(values), levels))
}

/// The error for a file that cannot be read as Parquet.
pub(crate) fn damaged(path: &Path) -> impl FnOnce(ParquetError) -> Error {
    move |error| {
        Error::malformed(
            path,
            format!(
                "it cannot be read as Parquet: {error}; is the file cut short or damaged? write or copy it again"
            ),
        )
    }
}

//! Predictions as Parquet: the columns of the CSV file with their types.

use std::io::{Error, Result, Write};
use std::sync::Arc;

use data::Classes;
use data::output::made_here::MAKER;
use models::Contract;
use models::contract::Reject;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::Row;

/// Rows that are gathered before they are written together.
const GROUP: usize = 1 << 16;

/// Rows as Parquet: the columns of the CSV file with their types, and the contract
/// as the metadata `contract`.
pub struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    classes: Classes,
    columns: Vec<Column>,
    rows: usize,
}

/// Values of a column that are not yet written. Those that may be absent have a
/// level per row, 1 where there is a value.
struct Column {
    values: Values,
    levels: Option<Vec<i16>>,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Double(Vec<f64>),
    Float(Vec<f32>),
    Truth(Vec<bool>),
}

/// A value of a row.
enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Double(f64),
    Float(f32),
    Truth(bool),
    Absent,
}

/// A column's name, its type by a value of it, and whether it may be absent.
type Head<'a> = (&'a str, Value<'static>, bool);

fn heads(classes: &Classes) -> Vec<Head<'_>> {
    let mut heads = vec![
        ("input", Value::Text(""), false),
        ("row", Value::Integer(0), false),
        ("record", Value::Text(""), true),
        ("sample", Value::Integer(0), true),
        ("label", Value::Text(""), true),
        ("class", Value::Text(""), false),
    ];
    heads.extend(classes.names().map(|name| (name, Value::Float(0.0), false)));
    heads.extend([
        ("rejected", Value::Truth(false), false),
        ("reject", Value::Text(""), true),
        ("time", Value::Double(0.0), true),
        ("rr", Value::Float(0.0), true),
        ("quality", Value::Float(0.0), true),
    ]);
    heads
}

/// The values of a row, in the order of [`heads`].
fn values<'a>(row: &'a Row, classes: &'a Classes) -> Vec<Value<'a>> {
    let (record, sample) = row.place.unzip();
    let text = |text: Option<&'a str>| text.map_or(Value::Absent, Value::Text);
    let float = |value: Option<f32>| value.map_or(Value::Absent, Value::Float);
    // A recording of 2^63 samples does not exist.
    let integer = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let mut values = vec![
        Value::Text(row.input),
        integer(row.row),
        text(record),
        sample.map_or(Value::Absent, integer),
        text(row.label.map(|label| classes.name(label))),
        Value::Text(classes.name(row.decision.class)),
    ];
    let probabilities = row.probabilities.iter();
    values.extend(probabilities.map(|&p| Value::Float(p)));
    values.extend([
        Value::Truth(row.decision.reject.is_some()),
        text(row.decision.reject.map(Reject::name)),
        row.time.map_or(Value::Absent, Value::Double),
        float(row.rr),
        float(row.quality),
    ]);
    values
}

impl<W: Write + Send> ParquetFile<W> {
    /// A file that begins in `target`.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn create(target: W, contract: &Contract) -> Result<ParquetFile<W>> {
        let classes = contract.classes.clone();
        let contract = KeyValue::new("contract".to_owned(), contract.to_json());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            // The file tells who made it by this: see `data::output::made_here`.
            .set_created_by(MAKER.to_owned())
            .set_key_value_metadata(Some(vec![contract]));
        let heads = heads(&classes);
        let fields = heads
            .iter()
            .map(field)
            .collect::<parquet::errors::Result<_>>();
        let schema = fields.and_then(|fields| {
            let builder = Type::group_type_builder("predictions");
            builder.with_fields(fields).build()
        });
        let schema = Arc::new(schema.map_err(failed)?);
        let columns = heads.iter().map(Column::new).collect();
        let writer = SerializedFileWriter::new(target, schema, properties.build().into());
        Ok(ParquetFile {
            writer: writer.map_err(failed)?,
            columns,
            classes,
            rows: 0,
        })
    }

    /// Adds one beat.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        let values = values(row, &self.classes);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.take(&value)?;
        }
        self.rows += 1;
        match self.rows < GROUP {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes the rest and the end of the file; the target.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn finish(mut self) -> Result<W> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.into_inner().map_err(failed)
    }

    fn flush(&mut self) -> Result<()> {
        self.rows = 0;
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            if let Some(mut open) = group.next_column().map_err(failed)? {
                column.write(open.untyped()).map_err(failed)?;
                open.close().map_err(failed)?;
            }
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

/// The column of a head in the schema.
fn field((name, value, absent): &Head) -> parquet::errors::Result<TypePtr> {
    let (physical, logical) = match value {
        Value::Text(_) | Value::Absent => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Value::Integer(_) => (Physical::INT64, None),
        Value::Double(_) => (Physical::DOUBLE, None),
        Value::Float(_) => (Physical::FLOAT, None),
        Value::Truth(_) => (Physical::BOOLEAN, None),
    };
    let repetition = match absent {
        true => Repetition::OPTIONAL,
        false => Repetition::REQUIRED,
    };
    let builder = Type::primitive_type_builder(name, physical);
    let builder = builder.with_repetition(repetition);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

impl Column {
    fn new((_, value, absent): &Head) -> Column {
        let values = match value {
            Value::Text(_) | Value::Absent => Values::Text(Vec::new()),
            Value::Integer(_) => Values::Integer(Vec::new()),
            Value::Double(_) => Values::Double(Vec::new()),
            Value::Float(_) => Values::Float(Vec::new()),
            Value::Truth(_) => Values::Truth(Vec::new()),
        };
        let levels = absent.then(Vec::new);
        Column { values, levels }
    }

    fn take(&mut self, value: &Value) -> Result<()> {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(!matches!(value, Value::Absent)));
        }
        match (&mut self.values, value) {
            (Values::Text(values), Value::Text(text)) => values.push((*text).into()),
            (Values::Integer(values), Value::Integer(value)) => values.push(*value),
            (Values::Double(values), Value::Double(value)) => values.push(*value),
            (Values::Float(values), Value::Float(value)) => values.push(*value),
            (Values::Truth(values), Value::Truth(value)) => values.push(*value),
            (_, Value::Absent) if self.levels.is_some() => {}
            _ => return Err(Error::other("a value is not of its column's type")),
        }
        Ok(())
    }

    fn write(&mut self, writer: &mut ColumnWriter) -> parquet::errors::Result<()> {
        let levels = self.levels.as_deref();
        match (&mut self.values, writer) {
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Integer(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Float(values), ColumnWriter::FloatColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Truth(values), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            _ => return Err(ParquetError::General("a column is of another type".into())),
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

/// What the library says, as what a full disk says.
fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<Error>() {
            Ok(cause) => *cause,
            Err(cause) => Error::other(cause),
        },
        error => Error::other(error),
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;

//! Runs over many recordings, of which some fail.

use std::fmt;

use crate::record::error::{Error, Result, told};

/// The recordings that a run went on without, and why.
///
/// A run over many recordings does not end at a bad one: it does the others,
/// writes what they give, and ends with this table as its error, so that the
/// exit code says that something is missing. The only recording of a run is no
/// such case: its error is the run's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    total: usize,
    failed: Vec<(String, String)>,
}

impl Failures {
    /// None yet, of `total` recordings.
    pub fn among(total: usize) -> Failures {
        Failures {
            total,
            failed: Vec::new(),
        }
    }

    /// What was made of the recording `name`, or `None` where that failed,
    /// which is noted.
    ///
    /// # Errors
    /// The failure itself, where this is the run's only recording.
    pub fn keep<T, E: Into<Box<dyn std::error::Error>>>(
        &mut self,
        name: impl fmt::Display,
        result: Result<T, E>,
    ) -> Result<Option<T>, E> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.total <= 1 => Err(error),
            Err(error) => {
                self.failed.push((name.to_string(), told(&*error.into())));
                Ok(None)
            }
        }
    }

    /// Names and reasons, in the order in which they came up.
    pub fn all(&self) -> &[(String, String)] {
        &self.failed
    }

    /// Ends a run of which nothing is left: before its output is made.
    ///
    /// # Errors
    /// [`Error::Failed`] when every recording failed.
    pub fn unless_all(&self) -> Result<()> {
        match self.total > 0 && self.failed.len() >= self.total {
            true => Err(Error::Failed(self.clone())),
            false => Ok(()),
        }
    }

    /// Ends the run.
    ///
    /// # Errors
    /// [`Error::Failed`] when any recording failed.
    pub fn finish(self) -> Result<()> {
        match self.failed.is_empty() {
            true => Ok(()),
            false => Err(Error::Failed(self)),
        }
    }
}

/// The table.
impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, total) = (self.failed.len(), self.total);
        match failed >= total {
            true => write!(f, "none of the {total} recordings could be used:")?,
            false => write!(
                f,
                "{failed} of {total} recordings could not be used; the result is that of the others:"
            )?,
        }
        let names = self.failed.iter().map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or(0);
        for (name, why) in &self.failed {
            write!(f, "\n  {name:<width$}  {}", why.replace('\n', " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_and_says_at_the_end_what_failed() {
        let mut failures = Failures::among(3);
        let done: Vec<_> = [("a", Ok(1)), ("bad", Err("it is torn")), ("c", Ok(3))]
            .into_iter()
            .filter_map(|(name, result)| failures.keep(name, result).unwrap())
            .collect();
        assert_eq!(done, [1, 3]);
        failures.unless_all().unwrap();
        let said = failures.finish().unwrap_err().to_string();
        assert!(
            said.contains("1 of 3") && said.contains("\n  bad  it is torn"),
            "{said}"
        );
        Failures::among(2).finish().unwrap();
    }

    #[test]
    fn nothing_is_left_of_a_run_that_fails_whole() {
        assert_eq!(
            Failures::among(1).keep::<(), _>("a", Err("torn")),
            Err("torn")
        );
        let mut failures = Failures::among(2);
        for name in ["a", "b"] {
            assert_eq!(failures.keep::<(), _>(name, Err("torn")), Ok(None));
        }
        let said = failures.unless_all().unwrap_err().to_string();
        assert!(said.contains("none of the 2 recordings"), "{said}");
    }
}

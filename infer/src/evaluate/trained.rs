//! Whether a model is judged by records that it has learnt from.

use std::path::Path;

use data::datasets::splits;

/// What to say where, by the contract's words on its training data, the model
/// knows these records of a folder: figures on beats that it has learnt from are
/// too good. `None` where nothing speaks for that. The contract names folders and
/// not records, so that the same name stands for the same folder.
pub fn caution(learnt: &str, folder: &Path, names: &[String]) -> Option<String> {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = resolved.file_name()?.to_string_lossy();
    // A folder's words are its name, `DS1` or how many records, and what was left out.
    let of_folder = |part: &&str| {
        let rest = part.trim().strip_prefix(&*name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
    };
    let part = learnt.split(" + ").find(of_folder)?;
    let by_rule = part.trim()[name.len()..].starts_with(" DS1");
    let known = match by_rule {
        true => names
            .iter()
            .filter(|n| splits::DS1.contains(&n.as_str()))
            .count(),
        false => names.len(),
    };
    let remedy = match by_rule {
        true => "--split ds2 takes others",
        false => "choose others with --records, or another folder with --data",
    };
    (known > 0).then(|| {
        format!(
            "the model was trained on {learnt}, and {known} of these {} records are of {name}{}: figures on beats that it has learnt from are too good; {remedy}",
            names.len(),
            if by_rule { " DS1" } else { "" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_a_model_has_learnt_from_are_told() {
        let told = |learnt: &str, folder: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            caution(learnt, Path::new(folder), &names)
        };
        let both = "mitdb DS1 + svdb (78 records), second leads";
        let said = told(both, "absent/mitdb", &["100", "101", "106"]).unwrap();
        assert!(said.contains("2 of these 3") && said.contains("--split ds2"));
        assert_eq!(told(both, "absent/mitdb", &["100", "232"]), None);
        let said = told(both, "absent/svdb", &["800", "801"]).unwrap();
        assert!(said.contains("2 of these 2") && said.contains("--records"));
        for folder in ["absent/sv", "absent/svdb2", "absent/incartdb"] {
            assert_eq!(told(both, folder, &["800"]), None, "{folder}");
        }
        assert_eq!(told("synthetic patients", "absent/x", &["a"]), None);
    }
}

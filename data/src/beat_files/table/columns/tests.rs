use super::*;

fn plan(text: &str, header: &str, wanted: Option<usize>) -> Result<String, String> {
    let names: Vec<String> = header.split(',').map(String::from).collect();
    let named = !header.starts_with('?');
    let columns: Columns = text.parse().unwrap();
    let plan = columns.plan(named.then_some(&names[..]), names.len(), wanted)?;
    let letter = |role: &Role| match role {
        Role::Sample => 's',
        Role::Label => 'l',
        Role::Patient => 'p',
        Role::Dropped => '-',
    };
    Ok(plan.roles.iter().map(letter).collect())
}

#[test]
fn columns_are_what_is_said_or_what_the_header_tells() {
    for (text, header, wanted, expected) in [
        ("", "s0,s1,s2,label", None, "sssl"),
        ("", "Class,s0,s1,s2", None, "lsss"),
        ("", "s0,s1,label,patient", None, "sslp"),
        ("label=none,patient=none", "s0,s1,s2", None, "sss"),
        ("label=kind", "s0,s1,kind", None, "ssl"),
        ("label=2,drop=1", "?,?,?,?", None, "-lss"),
        ("label=last,patient=1", "?,?,?,?", None, "pssl"),
        ("label=1,patient=last", "?,?,?,?", None, "lssp"),
        ("drop=id,drop=age", "id,s0,s1,age,y", None, "-ss-l"),
        ("patient=id", "id,s0,s1,y", None, "pssl"),
        ("", "?,?,?", Some(3), "sss"),
        ("", "?,?,?,?", Some(3), "sssl"),
        ("patient=1", "?,?,?,?,?", Some(3), "psssl"),
        ("", "0,1,2,label", Some(3), "sssl"),
        ("", "x,y", Some(2), "ss"),
        ("label=LABEL", "s0,s1,label", None, "ssl"),
    ] {
        let found = plan(text, header, wanted);
        assert_eq!(found.as_deref(), Ok(expected), "{text} of {header}");
    }
}

#[test]
fn what_is_not_there_or_not_told_is_refused_with_the_remedy() {
    for (text, header, wanted, detail) in [
        (
            "label=rhythm",
            "s0,s1,label",
            None,
            "no column 'rhythm'; the header names 's0', 's1', 'label'",
        ),
        ("label=9", "s0,s1,label", None, "columns 1 to 3"),
        ("label=class", "?,?,?", None, "no header; give its number"),
        ("", "?,?,?", None, "--table label=last"),
        ("", "s0,s1,s2", None, "'s0', 's1', 's2'"),
        ("", "s0,s1,label,class", None, "--table label="),
        ("label=none", "id,s0,s1", None, "drop=1"),
        (
            "",
            "s0,s1,s2,age,label",
            None,
            "column 'age' is named otherwise",
        ),
        (
            "",
            "?,?,?,?,?,?",
            Some(3),
            "6 columns, 6 of them samples; expected 3 samples",
        ),
        (
            "",
            "s0,s1,label",
            Some(5),
            "3 columns, 2 of them samples; expected 5",
        ),
        (
            "label=last",
            "?,?,?",
            Some(5),
            "3 columns, 2 of them samples; expected 5",
        ),
        ("drop=1,label=1", "?,?,?", None, "two parts"),
        ("label=a", "a,a,b", None, "several columns"),
        ("label=last,drop=1", "?,?", None, "at least 2"),
    ] {
        let refusal = plan(text, header, wanted).unwrap_err();
        assert!(refusal.contains(detail), "{text} of {header}: {refusal}");
    }
    for text in ["label", "label=", "columns=3", "header=maybe", "drop=0"] {
        let refusal = text.parse::<Columns>().unwrap_err().to_string();
        assert!(refusal.contains("--table"), "{refusal}");
    }
}

#[test]
fn the_text_reads_back() {
    for text in [
        "",
        "label=class,patient=3,drop=id,drop=7,header=yes",
        "label=none,patient=none,samples=ecg,header=no",
        "label=last",
    ] {
        assert_eq!(text.parse::<Columns>().unwrap().to_string(), text);
    }
}

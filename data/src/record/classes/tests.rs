use super::*;

fn read(text: &str) -> Classes {
    text.parse().unwrap()
}

fn symbol(text: &str) -> Symbol {
    Symbol::from_mnemonic(text).unwrap()
}

#[test]
fn the_five_classes_are_those_of_ec57() {
    let classes = Classes::aami5();
    for label in SYMBOLS {
        let class = Class::from_symbol(symbol(label), Convention::Literature).unwrap();
        assert_eq!(
            classes.of_symbol(symbol(label)),
            Some(class.index()),
            "{label}"
        );
        assert_eq!(classes.aami(class.index()), Some(class));
    }
    assert_eq!(classes.of_symbol(symbol("+")), None);
    for class in Class::ALL {
        assert_eq!(
            classes.annotation(class.index(), 7),
            Annotation::new(7, class.symbol())
        );
        assert_eq!(
            classes.of_value(&format!("{}.0", class.index())),
            Some(class.index())
        );
        assert_eq!(classes.of_value(class.name()), Some(class.index()));
    }
    assert_eq!(classes.lacking(), None);
}

/// Contracts of before hold the names alone, and their hash must not change.
#[test]
fn a_contract_holds_ec57s_classes_by_name_and_others_with_their_labels() {
    let json = serde_json::to_string(&Classes::aami5()).unwrap();
    assert_eq!(json, r#"["N","S","V","F","Q"]"#);
    for text in [
        "aami5",
        "aami3",
        "aami2",
        "ptbdb",
        "V,N,S",
        "normal=N L R,ectopic=A V",
        "symbols N L / V",
        "a=,b=x",
    ] {
        let classes = read(text);
        let json = serde_json::to_string(&classes).unwrap();
        assert_eq!(
            serde_json::from_str::<Classes>(&json).unwrap(),
            classes,
            "{json}"
        );
        assert_eq!(read(&classes.to_string()), classes, "{classes}");
    }
    assert_eq!(read("aami3").to_string(), "aami3");
    let json = serde_json::to_string(&read("N,early=A a")).unwrap();
    assert_eq!(json, r#"["N",{"name":"early","labels":["A","a"]}]"#);
}

#[test]
fn labels_mean_one_class() {
    let aami3 = read("aami3");
    assert_eq!(aami3.of_symbol(symbol("F")), Some(2));
    assert_eq!(aami3.of_symbol(symbol("/")), None);
    assert_eq!(aami3.aami(2), Some(Class::V));
    let ptbdb = read("ptbdb");
    assert_eq!(ptbdb.of_value("1.000000000000000000e+00"), Some(1));
    assert_eq!(ptbdb.of_value("Abnormal"), Some(1));
    assert_eq!(ptbdb.of_value("2"), None);
    assert_eq!(ptbdb.of_value("0.5"), None);
    assert_eq!(ptbdb.aami(0), None);
    // A label comes before a place, and `2.0` is the label `2`.
    let shifted = read("one=1,two=2,three=3");
    assert_eq!(
        [shifted.of_value("1"), shifted.of_value("2.0")],
        [Some(0), Some(1)]
    );
    assert_eq!(shifted.of_value("0"), Some(0));
}

#[test]
fn a_beat_is_written_so_that_other_programs_understand_it() {
    let written = |text: &str, index: usize| {
        let annotation = read(text).annotation(index, 1);
        (
            annotation.symbol.as_str().to_owned(),
            annotation.aux_note.to_string(),
        )
    };
    let plain = |s: &str| (s.to_owned(), String::new());
    assert_eq!(written("symbols L A /", 0), plain("L"));
    assert_eq!(written("symbols L A /", 2), plain("/"));
    assert_eq!(written("aami3", 1), plain("S"));
    assert_eq!(written("aami3", 2), plain("V"));
    assert_eq!(written("paced=/ f,other=N", 0), plain("/"));
    assert_eq!(written("aami2", 1), ("Q".into(), "abnormal".into()));
    assert_eq!(written("ptbdb", 0), ("Q".into(), "normal".into()));
}

#[test]
fn lists_without_sense_are_refused_with_a_reason() {
    for (text, word) in [
        ("N", "2 to"),
        ("a=x,a=y", "twice"),
        ("a=x,b=x", "'x'"),
        ("=x,b=y", "no name"),
        ("nonsense", "expected aami5"),
        ("symbols N +", "'+'"),
        ("symbols", "data info"),
        ("normal=0,\u{e9}=1", "ASCII"),
    ] {
        let refusal = text.parse::<Classes>().unwrap_err().to_string();
        assert!(refusal.contains(word), "{text}: {refusal}");
    }
}

#[test]
fn what_ec57_cannot_tell_of_other_classes_is_said() {
    let said = read("ptbdb").lacking().unwrap();
    assert!(
        said.contains("S or V") && said.contains("normal, abnormal"),
        "{said}"
    );
    assert!(read("N,V").lacking().unwrap().contains("EC57's S:"));
    assert_eq!(read("aami3").lacking(), None);
    assert_eq!(read("symbols N L A V").lacking(), None);
}

#[test]
fn labels_that_no_recording_has_and_a_forgotten_comma_are_told() {
    let told = |text: &str| text.parse::<Classes>().unwrap_err().to_string();
    assert!(told("normal=N L ectopic=A V").contains("before 'ectopic=A'"));
    for (classes, label) in [
        ("normal=N,odd=NN", "'NN'"),
        ("ptbdb", "'0'"),
        ("a=N,b=~", "'~'"),
    ] {
        let error = read(classes).fit_annotations().unwrap_err().to_string();
        assert!(error.contains(label), "{error}");
    }
    for classes in ["aami5", "aami2", "symbols N L /", "a=N,b="] {
        read(classes).fit_annotations().unwrap();
    }
}

#[test]
fn beats_of_no_class_are_counted_by_their_symbol() {
    let beat = |symbol: &str| Annotation::new(0, Symbol::from_mnemonic(symbol).unwrap());
    let annotations = ["N", "/", "Q", "/", "+", "V", "~"].map(beat);
    let mut left_out = read("aami3").left_out(&annotations);
    assert_eq!(left_out.to_string(), "/ 2, Q 1");
    left_out.add(&read("N,other=/").left_out(&annotations));
    assert_eq!(left_out.to_string(), "V 1, / 2, Q 2");
    assert!(Classes::aami5().left_out(&annotations).is_empty());
}

//! Any text as a contract, and any bytes as a sealed file: what is accepted
//! survives being written, and a pipeline can be asked for it.

#![no_main]

use data::pipeline::{Fiducials, Pipeline};
use libfuzzer_sys::fuzz_target;
use models::Contract;
use models::seal;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sealed) = seal::seal(bytes) {
        seal::verify(&sealed).expect("it was sealed just now");
        assert_eq!(seal::seal(&sealed).ok(), Some(sealed));
    }
    let Ok(contract) = Contract::from_json(&String::from_utf8_lossy(bytes)) else {
        return;
    };
    let again = Contract::from_json(&contract.to_json()).expect("what we wrote is a contract");
    assert_eq!(again, contract);
    let classes = contract.classes.len();
    let decision = contract.decide(&vec![1.0 / classes as f32; classes]);
    assert!(decision.is_some_and(|d| d.class == 0));
    assert!(contract.input.window_values() > 0);
    // Memory goes with the window; larger ones are only refused or not.
    if contract.input.window_values() < 1 << 14 {
        let _ = Pipeline::new(&contract.input, 250.0, Fiducials::Detected);
    }
});

//! The colour of each class, told apart by most colour-blind readers, too.

use data::Classes;
use data::record::aami::Class;

/// For classes without a place in EC57, in their order.
const OTHERS: [&str; 6] = [
    "#1d4e89", "#b45309", "#047857", "#a21caf", "#be123c", "#52525b",
];

/// The colour of the class at a place of the list.
pub(crate) fn of(classes: &Classes, index: usize) -> &'static str {
    // Two classes of one place in EC57 must not look the same.
    let first_of = |class: Class| classes.of_aami(class).first() == Some(&index);
    match classes.aami(index).filter(|class| first_of(*class)) {
        Some(Class::N) => "#1f4e79",
        Some(Class::S) => "#c2570c",
        Some(Class::V) => "#c1121f",
        Some(Class::F) => "#7b2cbf",
        Some(Class::Q) => "#5b6470",
        None => OTHERS[index % OTHERS.len()],
    }
}

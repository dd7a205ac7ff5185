//! A few inputs of every kind; a campaign makes a million.

use fmr_mutate::{Campaign, readers};

const INPUTS: u64 = 1500;

#[test]
fn no_input_panics_hangs_fills_memory_or_draws_on_the_terminal() {
    for reader in readers().expect("inputs can be made") {
        let mut campaign = Campaign::new(&*reader, 11);
        for number in 0..INPUTS {
            if let Err(failure) = campaign.run(number) {
                panic!("{}: {failure}", reader.name());
            }
        }
        let figures = campaign.figures();
        println!("{}: {figures}", reader.name());
        assert!(figures.taken > INPUTS / 50, "{}: the inputs that are refused at once say little", reader.name());
    }
}

//! A few of the inputs of `examples/mutate_data`, which makes a million of them.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../examples/mutate_data/campaign.rs"]
mod campaign;

#[test]
fn no_input_panics_hangs_or_draws_on_the_terminal() {
    let (maker, mut bench) = (campaign::Maker::new().unwrap(), campaign::Bench::new().unwrap());
    let mut read = 0;
    for number in 0..1500 {
        let input = maker.make(11, number);
        match bench.run(&input) {
            Ok(images) => read += usize::from(images.is_some()),
            Err(problem) => panic!("input {number}, a {} of {} bytes, {problem}", input.kind, input.bytes.len()),
        }
    }
    assert!(read > 50, "{read} of 1500 inputs were read: the others say little");
}

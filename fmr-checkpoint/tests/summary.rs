//! What people read about a checkpoint.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_checkpoint::Checkpoint;

#[test]
fn a_summary_names_family_container_and_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/weights/resnet18-w16.safetensors");
    let checkpoint = Checkpoint::open(path).unwrap();
    assert_eq!(checkpoint.files(), [std::path::PathBuf::from(path)]);
    let summary = checkpoint.summary().unwrap();
    let text = summary.to_string();
    assert!(text.contains("container   safetensors"), "{text}");
    assert!(text.contains("looks like  a CIFAR ResNet-18, 10 classes"), "{text}");
    assert!(text.contains("… and "), "{text}");
    assert_eq!(summary.place.prefix, "");
    assert_eq!(summary.others, 0);
    let all = format!("{summary:#}");
    assert!(summary.keys.iter().all(|key| all.contains(key.name())));
    // Trained values, and two running statistics for each of 1200 channels.
    assert_eq!(summary.parameters, 701_466 + 2 * 1200);
}

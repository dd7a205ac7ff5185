//! What shards share is made once, and changes no result.

use crate::support::{EXPERIMENT, Lab, records};

#[test]
fn shards_find_the_cache_and_the_masks_that_were_prepared() {
    let lab = Lab::new();
    let others = "[data.others]\nkind = \"idx\"\nimages = \"images.gz\"\nlabels = \"labels.gz\"\nskip = 10\nlimit = 12\n\n\
                  [masks.style]\nlearn-from = \"others\"\n\n[search]\n";
    let rows = EXPERIMENT.replace("target = \"lenet\"\n", "target = \"lenet\"\nmask = [\"none\", \"style\"]\n");
    lab.write("lab.toml", &rows.replace("[search]\n", others));
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);

    let refused = lab.refuse(&["prepare", "lab.toml"]);
    assert!(refused.contains("run.cache"), "{refused}");
    let cache = ["--set", "run.cache=cache"];
    let printed = lab.succeed(&[&["prepare", "lab.toml"], &cache[..]].concat());
    assert!(printed.trim_end().ends_with("cache"), "{printed}");
    let masks: Vec<_> = std::fs::read_dir(lab.path("cache/masks")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(masks.iter().filter(|path| path.extension().is_some_and(|e| e == "mask")).count(), 1);
    // Nothing is left to do a second time.
    let before = masks[0].metadata().unwrap().modified().unwrap();
    lab.succeed(&[&["prepare", "lab.toml"], &cache[..]].concat());
    assert_eq!(masks[0].metadata().unwrap().modified().unwrap(), before);

    for (shard, dir) in [("0/2", "a"), ("1/2", "b")] {
        lab.succeed(&[&["run", "lab.toml", "--shard", shard, "--out", dir], &cache[..]].concat());
    }
    lab.succeed(&["merge", "a", "b", "--out", "merged"]);
    assert_eq!(records(&lab.path("merged")), records(&lab.path("whole")));
}

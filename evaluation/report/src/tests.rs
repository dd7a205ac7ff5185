//! The table as text and as Markdown.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_experiment::World;
use insta::assert_snapshot;

use super::table::percent;
use super::toy::{masked, run, table};
use super::{RowState, Table};

#[test]
fn the_printed_table() {
    let (_home, store) = run();
    let text = table(&store).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    assert_snapshot!(text, @r#"
    Table 1: standard models under the dynamic test

      Small world: small models trained by this project. Not the paper's setting.
      generator VQGAN · oracle CLIP, "an image of {class}" · verdict argmax · budget 50 · step size 0.001 ·
      rule sign
      The paper's 9-class row equals its Table 13, a run with step size 0.1.
      Percent, with 95 % intervals. Lines marked "paper" are as the paper prints them.

      data      model          n      SA                 PA                FMR                 VR
      MNIST     LeNet         40   90.00 76.9–96.0    34.78 18.8–55.1    38.65 22.4–66.6    57.50 42.2–71.5
                  paper            99.09              27.78              28.04                  –

      CIFAR-10  ResNet18      24   91.67 74.2–97.7    28.57 11.7–54.6    31.17 13.9–69.8    58.33 38.8–75.5
                  paper            95.38              52.34              54.88                  –

      ImageNet  ResNet50       –  missing here: ImageNet validation images [1], ResNet50 weights [2]
                  paper            76.26              33.15              43.47                  –
                ViT            –  missing here: ImageNet validation images [1], ViT weights [3]
                  paper            82.40              41.65              50.55                  –

    How the searches ended, in images
      data      model     rejected    step 1     later    budget  early exit    failed  mean updates
      MNIST     LeNet            7         3        11        12           0         7           3.3
      CIFAR-10  ResNet18         4         2         6         8           0         4           3.4
      rejected: the oracle refused the reconstruction. step 1, later: it refused the first or a later
      update, which was undone. budget: all updates were accepted. mean updates: accepted ones, over images
      whose reconstruction was accepted.

    Originals and reconstructions (rec.), in percent of all images
      data      model     rec. accepted  target right on rec.  oracle right on orig.  oracle right on rec.
      MNIST     LeNet              82.5                 100.0                  100.0                  82.5
      CIFAR-10  ResNet18           83.3                 100.0                  100.0                  83.3

    Validity
      MNIST · LeNet
        ! 7 of 40 samples failed and count as not produced (first: test/00003: the gradient is not finite).
        ! The bare reconstruction flips the oracle's answer on 7 of 40 images (17.5 %): the generator is not
          faithful enough for this oracle.
        ! Only 23 of 40 images were produced (57.5 %; worst class: zero, 3 of 10): PA and FMR are those of
          the images that the oracle let through, which are easier, and so too high.
      CIFAR-10 · ResNet18
        ! 4 of 24 samples failed and count as not produced (first: test/00003: the gradient is not finite).
        ! The bare reconstruction flips the oracle's answer on 4 of 24 images (16.7 %): the generator is not
          faithful enough for this oracle.
        ! Only 14 of 24 images were produced (58.3 %; worst class: zero, 2 of 6): PA and FMR are those of
          the images that the oracle let through, which are easier, and so too high.

    To run the missing rows
      [1] ImageNet validation images
          get  the archive ILSVRC2012_img_val.tar from image-net.org, after registering there; unpack it
               into one folder a class
          put  data/imagenet/val/CLASS/*.JPEG
      [2] ResNet50 weights
          get  the published ResNet50 checkpoint, as docs/weights.md lists it
          put  weights/resnet50.safetensors
      [3] ViT weights
          get  the published ViT checkpoint, as docs/weights.md lists it
          put  weights/vit.safetensors
    "#);
}

#[test]
fn the_table_as_markdown() {
    let (_home, store) = run();
    assert_snapshot!(table(&store).to_markdown(), @r#"
    ### Table 1: standard models under the dynamic test

    Small world: small models trained by this project. Not the paper's setting.
    generator VQGAN · oracle CLIP, "an image of {class}" · verdict argmax · budget 50 · step size 0.001 · rule sign.
    The paper's 9-class row equals its Table 13, a run with step size 0.1.
    Percent, with 95 % intervals in brackets; lines in italics are as the paper prints them.

    | data | model | n | SA | PA | FMR | VR |
    | --- | --- | --: | --: | --: | --: | --: |
    | MNIST | LeNet | 40 | 90.00 [76.9–96.0] | 34.78 [18.8–55.1] | 38.65 [22.4–66.6] | 57.50 [42.2–71.5] |
    |  | *paper* |  | *99.09* | *27.78* | *28.04* | *–* |
    | CIFAR-10 | ResNet18 | 24 | 91.67 [74.2–97.7] | 28.57 [11.7–54.6] | 31.17 [13.9–69.8] | 58.33 [38.8–75.5] |
    |  | *paper* |  | *95.38* | *52.34* | *54.88* | *–* |
    | ImageNet | ResNet50 | – | missing here (1) (2) |  |  |  |
    |  | *paper* |  | *76.26* | *33.15* | *43.47* | *–* |
    | ImageNet | ViT | – | missing here (1) (3) |  |  |  |
    |  | *paper* |  | *82.40* | *41.65* | *50.55* | *–* |

    #### How the searches ended, in images

    | data | model | rejected | step 1 | later | budget | early exit | failed | mean updates |
    | --- | --- | --: | --: | --: | --: | --: | --: | --: |
    | MNIST | LeNet | 7 | 3 | 11 | 12 | 0 | 7 | 3.3 |
    | CIFAR-10 | ResNet18 | 4 | 2 | 6 | 8 | 0 | 4 | 3.4 |

    rejected: the oracle refused the reconstruction. step 1, later: it refused the first or a later update, which was undone. budget: all updates were accepted. mean updates: accepted ones, over images whose reconstruction was accepted.

    #### Originals and reconstructions (rec.), in percent of all images

    | data | model | rec. accepted | target right on rec. | oracle right on orig. | oracle right on rec. |
    | --- | --- | --: | --: | --: | --: |
    | MNIST | LeNet | 82.5 | 100.0 | 100.0 | 82.5 |
    | CIFAR-10 | ResNet18 | 83.3 | 100.0 | 100.0 | 83.3 |

    #### Validity

    - MNIST · LeNet: 7 of 40 samples failed and count as not produced (first: test/00003: the gradient is not finite).
    - MNIST · LeNet: The bare reconstruction flips the oracle's answer on 7 of 40 images (17.5 %): the generator is not faithful enough for this oracle.
    - MNIST · LeNet: Only 23 of 40 images were produced (57.5 %; worst class: zero, 3 of 10): PA and FMR are those of the images that the oracle let through, which are easier, and so too high.
    - CIFAR-10 · ResNet18: 4 of 24 samples failed and count as not produced (first: test/00003: the gradient is not finite).
    - CIFAR-10 · ResNet18: The bare reconstruction flips the oracle's answer on 4 of 24 images (16.7 %): the generator is not faithful enough for this oracle.
    - CIFAR-10 · ResNet18: Only 14 of 24 images were produced (58.3 %; worst class: zero, 2 of 6): PA and FMR are those of the images that the oracle let through, which are easier, and so too high.

    #### To run the missing rows

    1. ImageNet validation images
       - get: the archive ILSVRC2012\_img\_val.tar from image-net.org, after registering there; unpack it into one folder a class
       - put: data/imagenet/val/CLASS/\*.JPEG
    2. ResNet50 weights
       - get: the published ResNet50 checkpoint, as docs/weights.md lists it
       - put: weights/resnet50.safetensors
    3. ViT weights
       - get: the published ViT checkpoint, as docs/weights.md lists it
       - put: weights/vit.safetensors
    "#);
}

#[test]
fn rows_of_several_worlds_are_told_apart() {
    let (_home, store) = run();
    let mut table = table(&store);
    table.rows[1].world = World::Other;
    assert_eq!(
        table.world_sentence(),
        "MNIST: Small world: small models trained by this project. Not the paper's setting. \
         CIFAR-10: Published models in another setting than the paper's."
    );
}

#[test]
fn a_table_of_missing_rows_has_no_counts() {
    let (_home, store) = run();
    let table = table(&store);
    let rows = table.rows.into_iter().filter(|row| matches!(row.state, RowState::Missing(_))).take(1).collect();
    let table = Table { rows, ..table };
    assert_snapshot!(table, @r#"
    Table 1: standard models under the dynamic test

      The paper's setting: its models, weights and data.
      generator VQGAN · oracle CLIP, "an image of {class}" · verdict argmax · budget 50 · step size 0.001 ·
      rule sign
      The paper's 9-class row equals its Table 13, a run with step size 0.1.
      Percent, with 95 % intervals. Lines marked "paper" are as the paper prints them.

      data      model          n      SA                 PA                FMR                 VR
      ImageNet  ResNet50       –  missing here: ImageNet validation images [1], ResNet50 weights [2]
                  paper            76.26              33.15              43.47                  –

    To run the missing rows
      [1] ImageNet validation images
          get  the archive ILSVRC2012_img_val.tar from image-net.org, after registering there; unpack it
               into one folder a class
          put  data/imagenet/val/CLASS/*.JPEG
      [2] ResNet50 weights
          get  the published ResNet50 checkpoint, as docs/weights.md lists it
          put  weights/resnet50.safetensors
    "#);
}

#[test]
fn long_names_are_stacked() {
    let (_home, store) = run();
    let mut table = table(&store);
    table.rows.remove(0);
    table.rows[0].data = "9-class ImageNet, balanced".to_owned();
    table.rows[0].model = "ResNet18, half width".to_owned();
    let text = table.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    assert_snapshot!(text.lines().take(26).collect::<Vec<_>>().join("\n"), @r#"
    Table 1: standard models under the dynamic test

      Small world: small models trained by this project. Not the paper's setting.
      generator VQGAN · oracle CLIP, "an image of {class}" · verdict argmax · budget 50 · step size 0.001 ·
      rule sign
      The paper's 9-class row equals its Table 13, a run with step size 0.1.
      Percent, with 95 % intervals. Lines marked "paper" are as the paper prints them.

      model                        n      SA                 PA                FMR                 VR
      9-class ImageNet, balanced
        ResNet18, half width      24   91.67 74.2–97.7    28.57 11.7–54.6    31.17 13.9–69.8    58.33 38.8–75.5
        paper                          95.38              52.34              54.88                  –

      ImageNet
        ResNet50                   –  missing here: ImageNet validation images [1], ResNet50 weights [2]
        paper                          76.26              33.15              43.47                  –
        ViT                        –  missing here: ImageNet validation images [1], ViT weights [3]
        paper                          82.40              41.65              50.55                  –

    How the searches ended, in images
      model                   rejected    step 1     later    budget  early exit    failed  mean updates
      9-class ImageNet, balanced
        ResNet18, half width         4         2         6         8           0         4           3.4
      rejected: the oracle refused the reconstruction. step 1, later: it refused the first or a later
      update, which was undone. budget: all updates were accepted. mean updates: accepted ones, over images
      whose reconstruction was accepted.
    "#);
}

#[test]
fn what_is_undefined_is_a_dash() {
    assert_eq!(percent(None, 2), "–");
    assert_eq!(percent(Some(f64::NAN), 2), "–");
    assert_eq!(percent(Some(1.0), 2), "100.00");
    assert_eq!(percent(Some(0.12345), 1), "12.3");
}

/// What a table says of masks: one chosen by sparsity, with what its strength would give; one that keeps nothing.
#[test]
fn the_tables_of_masks() {
    let (_home, store) = run();
    let table = masked(&store);
    let text = table.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    let from = text.find("Masks: which").unwrap();
    let (flags, to) = (text.find("Validity").unwrap(), text.find("To run the missing rows").unwrap());
    assert_snapshot!(&text[from..flags], @r#"
    Masks: which latent values may move
      model                        kept        of  sparsity      test   interval     train     pairs       gap
      MNIST
        LeNet, sparse mask           63      3136     97.99     67.50  56.6–76.8     81.76   199/200     2e-14
        at its strength              37      3136     98.82     72.50  61.9–81.1     81.76   199/200     1e-3!
        paper                                         97.99     78.50
      CIFAR-10
        ResNet18, sparse mask         0      3136    100.00     50.00  39.3–60.7     81.76   199/200       0e0
      kept, of: latent values that may move, of all. sparsity: percent of the classifier's weights that are
      exactly zero. test, train: percent of held-out and of fitted latents that the classifier puts on their
      side; interval: of test. pairs: latents of images and of their perturbed versions, of the images that
      were perturbed for it. gap: relative duality gap of the fit; with "!" larger than asked for, and then
      more may be kept than at the optimum. at its strength: what the same latents give at the mask's
      `strength`, as its `penalty` reads it, where the penalty was chosen otherwise.

    What the searches cost
      model                     updates   refused  unchanged   seconds   ms each  learning s
      MNIST
        LeNet                       400        12        100      40.0    100.00           –
        LeNet, sparse mask          400         3        300       5.0     12.50        31.4
      CIFAR-10
        ResNet18                    400        12        100      40.0    100.00           –
        ResNet18, sparse mask       400         0        400       2.0      5.00        31.4
      updates: all that were tried; refused: by the oracle; unchanged: accepted, and the score is to the
      last digit what it was. seconds: wall time of the row on this machine, everything included but the
      learning of its mask, which stands apart.

    With the mask against without it, on the same images
      model                    difference   interval     ratio     interval         p   saved %  faster %
      MNIST
        LeNet, sparse mask           +3.1  +1.1…+5.1     1.051  1.011–1.093     0.012      87.5     700.0
      difference: FMR with the mask less FMR without, in points; ratio: of the two. Intervals by the delta
      method on each image's influences, paired by image; p: two-sided, of the logarithm of the ratio.
      saved: (old − new) / old of the seconds; faster: old / new − 1.
    "#);
    let of_masks = |line: &&str| line.contains("sparse mask") || line.contains("mask keeps") || line.contains("mask's");
    assert_eq!(text[flags..to].lines().filter(of_masks).count(), 3, "{}", &text[flags..to]);
    let markdown = table.to_markdown();
    let line =
        |start: &str| markdown.lines().find(|line| line.starts_with(start)).map(str::to_owned).unwrap_or_default();
    assert_snapshot!(line("|  | *at its strength*"), @"|  | *at its strength* | *37* | *3136* | *98.82* | *72.50* | *61.9–81.1* | *81.76* | *199/200* | *1e-3!* |");
}

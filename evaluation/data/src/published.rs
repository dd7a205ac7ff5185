//! Data sets that can be downloaded, by name.

use fmr_core::registry::RemoteFile;

/// A published data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedData {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Its files: the name on this machine, and where each comes from.
    pub files: Vec<(&'static str, RemoteFile)>,
}

/// Name, bytes and SHA-256 of MNIST's files.
const MNIST: [(&str, u64, &str); 4] = [
    ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

/// All data sets that can be downloaded.
pub fn published() -> Vec<PublishedData> {
    let mnist = |(name, bytes, sha256)| {
        let key = if str::contains(name, "images") { "images" } else { "labels" };
        let file = RemoteFile::new(key, format!("https://ossci-datasets.s3.amazonaws.com/mnist/{name}"))
            .with_bytes(bytes)
            .with_sha256(sha256)
            .with_licence("CC BY-SA 3.0 (Y. LeCun, C. Cortes, C. Burges)");
        (name, file)
    };
    let cifar10 = RemoteFile::new("path", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz")
        .with_bytes(170_052_171)
        .with_sha256("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
        .with_members("cifar-10-batches-bin/{name}", "{name}")
        .with_licence(
            "no licence is stated; cite A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
        );
    let photographs = RemoteFile::new(
        "path",
        "https://github.com/EliSchwartz/imagenet-sample-images/archive/refs/heads/master.tar.gz",
    )
    .with_members("imagenet-sample-images-*/{class}_{name}.JPEG", "{class}/{class}_{name}.JPEG")
    .with_licence("ImageNet's terms: research and education, not commercial (image-net.org/download)");
    vec![
        PublishedData { name: "mnist", what: "MNIST", files: MNIST.map(mnist).into() },
        PublishedData { name: "cifar10", what: "CIFAR-10, binary version", files: vec![("cifar10", cifar10)] },
        PublishedData {
            name: "imagenet-sample",
            what: "one photograph of each ImageNet class",
            files: vec![("imagenet-sample", photographs)],
        },
    ]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sound_and_names_unique() {
        let mut names: Vec<&str> = published().iter().map(|data| data.name).collect();
        published().iter().flat_map(|data| &data.files).for_each(|(_, file)| file.check().unwrap());
        names.dedup();
        assert_eq!(names.len(), published().len());
    }
}

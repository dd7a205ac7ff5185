//! The published models, by name.

use fmr_core::registry::RemoteFile;

/// A published model.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name: the project, and the file's own name.
    pub name: &'static str,
    /// Where the weights are published.
    pub source: &'static str,
    file: &'static str,
}

macro_rules! stylegan_xl {
    ($($file:literal)*) => {
        &[$(Published {
            name: concat!("stylegan_xl_", $file),
            source: concat!("autonomousvision/stylegan-xl: ", $file, ".pkl"),
            file: concat!($file, ".pkl"),
        }),*]
    };
}

const PUBLISHED: &[Published] = stylegan_xl!(
    "imagenet16" "imagenet32" "imagenet64" "imagenet128" "imagenet256" "imagenet512" "imagenet1024" "cifar10"
    "ffhq256" "ffhq512" "ffhq1024" "pokemon256" "pokemon512" "pokemon1024"
);

/// All published models of StyleGAN-XL. StyleGAN3's own files load by their path.
pub fn published() -> &'static [Published] {
    PUBLISHED
}

impl Published {
    /// Where the model's weights are downloaded from.
    pub fn download(&self) -> RemoteFile {
        let address = format!("https://s3.eu-central-1.amazonaws.com/avg-projects/stylegan_xl/models/{}", self.file);
        RemoteFile::new("weights", address)
            .with_licence("MIT (StyleGAN-XL), NVIDIA's for StyleGAN3; no hash is published")
    }
}

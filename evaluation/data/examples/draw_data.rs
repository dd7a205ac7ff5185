//! Draws the test subsets in `assets/data` from the complete data sets:
//! `cargo run --release -p fmr-data --example draw_data -- MNIST_FOLDER CIFAR10_TAR`

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fmr_data::{DataSettings, Dataset};

/// Images of each data set, the classes in equal numbers.
const IMAGES: usize = 1000;
const SEED: u64 = 0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(mnist), Some(cifar)) = (arguments.next(), arguments.next()) else {
        return Err("usage: draw_data MNIST_FOLDER CIFAR10_TAR".into());
    };
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/data");
    std::fs::create_dir_all(&out)?;
    draw_mnist(&mnist, &out)?;
    draw_cifar(&cifar, &out.join("cifar10-test-1000.tar"))
}

fn draw(settings: &str) -> Result<Dataset, Box<dyn Error>> {
    let settings: DataSettings = toml::from_str(settings)?;
    Ok(DataSettings { limit: Some(IMAGES), seed: SEED, ..settings }.load()?)
}

/// As a pair of idx files.
fn draw_mnist(folder: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let file = |what: &str, rank: usize| folder.join(format!("t10k-{what}-idx{rank}-ubyte.gz"));
    let data = draw(&format!("kind = 'idx'\nimages = {:?}\nlabels = {:?}", file("images", 3), file("labels", 1)))?;
    let write = |name: &str, header: &[u32], bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let mut gz = GzEncoder::new(File::create(out.join(name))?, Compression::best());
        for word in header {
            gz.write_all(&word.to_be_bytes())?;
        }
        gz.write_all(bytes)?;
        gz.finish()?;
        Ok(())
    };
    let count = u32::try_from(data.len())?;
    let mut pixels = Vec::new();
    for i in 0..data.len() {
        pixels.extend_from_slice(&data.bytes(i)?);
    }
    let labels: Vec<u8> = data.labels().iter().map(|label| u8::try_from(*label)).collect::<Result<_, _>>()?;
    // Magic numbers of bytes in three dimensions and in one.
    write("mnist-test-1000-images-idx3-ubyte.gz", &[0x803, count, 28, 28], &pixels)?;
    write("mnist-test-1000-labels-idx1-ubyte.gz", &[0x801, count], &labels)
}

/// As a tar of the original files.
fn draw_cifar(tar: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    const PREFIX: &str = "cifar10/test";
    let data = draw(&format!("kind = 'images'\npath = {tar:?}\nprefix = '{PREFIX}'"))?;
    let wanted: BTreeSet<String> = (0..data.len()).map(|i| format!("{PREFIX}/{}", data.key(i))).collect();
    let mut drawn = tar::Builder::new(File::create(out)?);
    for entry in tar::Archive::new(File::open(tar)?).entries()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if wanted.contains(&name) {
            let mut header = tar::Header::new_ustar();
            header.set_size(entry.size());
            header.set_mode(0o644);
            header.set_cksum();
            drawn.append_data(&mut header, name, entry)?;
        }
    }
    Ok(drawn.finish()?)
}

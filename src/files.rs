//! The files that experiments and models need, and where they are published. `fmr fetch` downloads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fmr_core::registry::{Registry, RemoteFile};
use fmr_experiment::{ConfigError, Experiment};

use crate::prepare;

/// A file that something needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is, for people.
    pub what: String,
    /// Where it belongs.
    pub path: PathBuf,
    /// Where it comes from.
    pub source: Source,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It can be downloaded.
    Published(RemoteFile),
    /// A person has to get it: the sentence that says how.
    ByHand(String),
}

/// The files of an experiment that can be downloaded, and those that are missing and cannot; each once.
///
/// # Errors
/// A setting that makes no sense, or an `obtain` for a file that its table does not name.
pub fn of_experiment(experiment: &Experiment, registry: &Registry) -> Result<Vec<Wanted>, ConfigError> {
    let mut wanted: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
    let mut order = Vec::new();
    for row in &experiment.rows {
        for table in prepare::files(experiment, registry, row)? {
            let obtain = table.obtain.as_ref();
            let what = obtain.map_or_else(|| format!("{} ({})", table.label, table.at), |obtain| obtain.what.clone());
            for file in table.files {
                let source = match file.published {
                    Some(remote) => Source::Published(remote),
                    None if file.path.exists() => continue,
                    None => Source::ByHand(
                        obtain.map_or("the experiment file does not say where", |obtain| &obtain.get).to_owned(),
                    ),
                };
                let found = Wanted { what: what.clone(), path: file.path.clone(), source };
                match wanted.get_mut(&file.path) {
                    // A table that knows the address serves one that does not.
                    Some(known) if matches!(known.source, Source::ByHand(_)) => *known = found,
                    Some(_) => {}
                    None => {
                        order.push(file.path.clone());
                        wanted.insert(file.path, found);
                    }
                }
            }
        }
    }
    Ok(order.iter().filter_map(|path| wanted.remove(path)).collect())
}

/// The files of a published model or data set of that name, to be put into `folder`; `None` where none has that name.
pub fn of_name(name: &str, folder: &Path) -> Option<Vec<Wanted>> {
    if let Some(entry) = fmr_zoo::entry(name) {
        let file = entry.download.clone().map(|file| (file_name(&file), file));
        let source = || format!("{}: no address is known", entry.source);
        return Some(models(entry.name, &folder.join("weights"), file.into_iter().collect(), source));
    }
    if let Some(model) = fmr_clip::published().iter().find(|model| model.name == name) {
        let file = model.download().map(|file| (file_name(&file), file));
        let source = || format!("{}: no address is known", model.files.join(", "));
        return Some(models(model.name, &folder.join("weights"), file.into_iter().collect(), source));
    }
    if let Some(model) = fmr_vqgan::published().iter().find(|model| model.name == name) {
        let named = |file: RemoteFile| (if file.key == "config" { "model.yaml" } else { "last.ckpt" }.to_owned(), file);
        let files = model.downloads().into_iter().map(named).collect();
        let source = || format!("{}: no address is known", model.source);
        return Some(models(model.name, &folder.join("weights").join(model.name), files, source));
    }
    if let Some(model) = fmr_diffusion::published().iter().find(|model| model.name == name) {
        let files = model.downloads().into_iter().map(|file| (file_name(&file), file)).collect();
        let source = || format!("{}: no address is known", model.source);
        return Some(models(model.name, &folder.join("weights"), files, source));
    }
    if let Some(model) = fmr_vdvae::published().iter().find(|model| model.name == name) {
        let folder = folder.join("weights").join(model.name);
        let source = || format!("{}, to be unpacked: weights and hyper-parameters stand in it", model.source);
        return Some(models(model.name, &folder, Vec::new(), source));
    }
    if let Some(model) = fmr_stylegan::published().iter().find(|model| model.name == name) {
        let file = model.download();
        return Some(models(model.name, &folder.join("weights"), vec![(file_name(&file), file)], String::new));
    }
    let data = fmr_data::published().into_iter().find(|data| data.name == name)?;
    let folder = if data.files.len() > 1 { folder.join("data").join(data.name) } else { folder.join("data") };
    let wanted = data.files.into_iter().map(|(file, remote)| Wanted {
        what: data.what.to_owned(),
        path: folder.join(file),
        source: Source::Published(remote),
    });
    Some(wanted.collect())
}

/// Every name that [`of_name`] knows.
pub fn names() -> Vec<&'static str> {
    let models = fmr_zoo::entries().iter().map(|entry| entry.name);
    let oracles = fmr_clip::published().iter().map(|model| model.name);
    let generators = fmr_vqgan::published().iter().map(|model| model.name);
    let generators = generators.chain(fmr_diffusion::published().iter().map(|model| model.name));
    let generators = generators.chain(fmr_vdvae::published().iter().map(|model| model.name));
    let generators = generators.chain(fmr_stylegan::published().iter().map(|model| model.name));
    models.chain(oracles).chain(generators).chain(fmr_data::published().into_iter().map(|data| data.name)).collect()
}

fn models(name: &str, folder: &Path, files: Vec<(String, RemoteFile)>, source: impl Fn() -> String) -> Vec<Wanted> {
    if files.is_empty() {
        return vec![Wanted { what: name.to_owned(), path: folder.to_owned(), source: Source::ByHand(source()) }];
    }
    let wanted = files.into_iter().map(|(file, remote)| Wanted {
        what: name.to_owned(),
        path: folder.join(file),
        source: Source::Published(remote),
    });
    wanted.collect()
}

/// The name that a file has where it is published: the archive's member, or the last part of the address.
fn file_name(file: &RemoteFile) -> String {
    let name = file.member.as_deref().unwrap_or_else(|| file.file_name());
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_sound_addresses() {
        for name in names() {
            for wanted in of_name(name, Path::new(".")).unwrap() {
                if let Source::Published(file) = wanted.source {
                    file.check().unwrap();
                    assert!(wanted.path.file_name().is_some());
                }
            }
        }
        let paths = |name: &str| -> Vec<String> {
            let wanted = of_name(name, Path::new("here")).unwrap();
            wanted.iter().map(|wanted| wanted.path.display().to_string()).collect()
        };
        assert_eq!(paths("efficientnet_lite0_pypi"), ["here/weights/efficientnet-lite0-57934424.pth"]);
        assert_eq!(paths("resnet18"), ["here/weights/resnet18-f37072fd.pth"]);
        assert_eq!(paths("ViT-L/14@336px"), ["here/weights/ViT-L-14-336px.pt"]);
        assert_eq!(paths("adm_256x256_diffusion_uncond"), ["here/weights/256x256_diffusion_uncond.pt"]);
        assert_eq!(paths("mnist").len(), 4);
        assert_eq!(of_name("resnet19", Path::new(".")), None);
    }
}

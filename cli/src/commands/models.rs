//! `fmr models`

use std::io::Write;

use crate::failure::Failure;

/// Everything that `model = "…"` can name, by role.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "Targets of kind zoo\n\n{}", fmr_zoo::models())?;
    let generators = fmr_vqgan::published().iter().map(|p| (p.name, p.source.to_owned())).collect();
    writeln!(out, "Generators of kind vqgan\n\n{}", table(generators))?;
    let generators = fmr_diffusion::published().iter().map(|p| (p.name, p.source.to_owned())).collect();
    writeln!(out, "Generators of kind diffusion\n\n{}", table(generators))?;
    let generators = fmr_vdvae::published().iter().map(|p| (p.name, p.source.to_owned())).collect();
    writeln!(out, "Generators of kind vdvae\n\n{}", table(generators))?;
    let generators = fmr_stylegan::published().iter().map(|p| (p.name, p.source.to_owned())).collect();
    writeln!(out, "Generators of kind stylegan\n\n{}", table(generators))?;
    let oracles = fmr_clip::published().iter().map(|p| (p.name, p.files.join(", "))).collect();
    write!(out, "Oracles of kind clip\n\n{}", table(oracles))?;
    Ok(())
}

/// One model a line, with the published files that hold it.
fn table(models: Vec<(&str, String)>) -> String {
    let width = models.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = std::iter::once(("model", "weights".to_owned())).chain(models);
    lines.map(|(name, weights)| format!("{name:width$}  {weights}\n")).collect()
}

//! The components of the plugin.

use fmr_core::registry::{MakeContext, MakeError};
use fmr_core::SettingError;
use fmr_python_bridge::{PythonOracle, PythonTarget};

use crate::Settings;
use crate::interpreter::{find, name};

/// A target, which is asked about one grey image how many classes it has.
pub(crate) fn target(settings: Settings, context: &MakeContext<'_>) -> Result<PythonTarget, MakeError> {
    if settings.softmax {
        return Err(SettingError::new("softmax", "is for oracles; a target gives logits as they are").into());
    }
    let model = find("target", &settings, context)?;
    let target = PythonTarget::new(model, name(&settings.module, &settings.attribute), context.image)?;
    target.expect_names("attribute")?;
    Ok(target)
}

/// An oracle.
pub(crate) fn oracle(settings: Settings, context: &MakeContext<'_>) -> Result<PythonOracle, MakeError> {
    let model = find("oracle", &settings, context)?;
    Ok(PythonOracle::new(model, name(&settings.module, &settings.attribute), settings.softmax))
}

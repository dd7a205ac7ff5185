//! The functions of a component's table.

use std::ffi::c_void;

use fmr_core::Progress;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Settings};
use ndarray::{Ix1, Ix2, Ix4};

use super::call;
use super::failure::Failure;
use super::guard::{self, guard};
use super::live::{Kept, Live, Part, Pull};
use super::views::{input, labels, output, pictures};
use crate::abi::{self, Function, Status, View};
use crate::prefix;

/// A borrowed text.
///
/// # Safety
/// The text is valid, as the header describes, for `'a`.
unsafe fn text<'a>(text: abi::Str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { prefix::list(text.ptr, text.len) }.ok_or_else(|| Failure::bad_call("a text is null"))?;
    std::str::from_utf8(bytes).map_err(|_| Failure::bad_call("a text is not UTF-8"))
}

/// What a component is made of, and what for.
///
/// # Safety
/// Both arguments are valid as the header describes.
unsafe fn order(settings: abi::Str, site: *const abi::Site) -> Result<(Settings, MakeContext<'static>), Failure> {
    // SAFETY: the caller's promise.
    let (settings, raw) = unsafe { (text(settings)?, prefix::read(site)) };
    let raw = raw.map_err(|e| Failure::bad_call(format!("the site cannot be read: {e}")))?;
    let table = serde_json::from_str(settings)
        .map_err(|e| Failure::bad_call(format!("the settings are not a JSON object: {e}")))?;
    // SAFETY: texts of a valid site.
    let (base, device) = unsafe { (text(raw.base)?, text(raw.device)?) };
    // The program's registry does not cross the border; a plugin that makes its component of others has its own.
    let context = MakeContext::new(guard::parts(), raw.image.map(|l| l as usize));
    let mut context = context.with_base(base).with_device(device).with_seed(raw.seed);
    context.progress = Progress::relayed(call::relay);
    Ok((Settings(table), context))
}

/// Checks settings and tells which files they name.
///
/// # Safety
/// All arguments are valid as the header describes.
pub unsafe fn check(
    settings: abi::Str,
    site: *const abi::Site,
    call: *const abi::Call,
    file: abi::NameFile,
    files: *mut c_void,
    check: impl Fn(&Settings, &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError>,
) -> Status {
    let work = || {
        // SAFETY: the caller's promise.
        let (settings, context) = unsafe { order(settings, site)? };
        for named in check(&settings, &context)? {
            let path = named.path.to_str().ok_or_else(|| {
                Failure::new(abi::FAILED, format!("{} names {:?}, which is not UTF-8", named.key, named.path))
            })?;
            // SAFETY: the caller lends the function and its argument; the texts outlive the callback.
            unsafe { file(files, abi::Str::new(&named.key), abi::Str::new(path)) };
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(call, None, work) }
}

/// Makes an instance.
///
/// # Safety
/// All arguments are valid as the header describes.
pub unsafe fn create(
    settings: abi::Str,
    site: *const abi::Site,
    call: *const abi::Call,
    out: *mut *mut abi::Instance,
    make: impl Fn(&Settings, &MakeContext<'_>) -> Result<Part, MakeError>,
) -> Status {
    let work = || {
        // SAFETY: the caller's promise.
        let (settings, context) = unsafe { order(settings, site)? };
        let part = make(&settings, &context).map_err(|e| Failure::from(e).of_create())?;
        let live = Live::new(part, &context.sources().files)?;
        // SAFETY: the caller lends `out`.
        unsafe { out.write(live.into_handle()) };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(call, None, work) }
}

/// # Safety
/// All arguments are valid as the header describes.
pub(super) unsafe extern "C" fn set_classes(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    names: *const abi::Str,
    names_len: usize,
    templates: *const abi::Str,
    templates_len: usize,
) -> Status {
    // SAFETY: the caller's promise.
    let Some(live) = (unsafe { Live::of(instance) }) else { return abi::BAD_CALL };
    let work = || {
        // SAFETY: the caller's promise.
        let (names, templates) = unsafe { (texts(names, names_len)?, texts(templates, templates_len)?) };
        let Part::Oracle(oracle) = &live.part else { return Err(unsupported()) };
        Ok(oracle.write().unwrap_or_else(|p| p.into_inner()).set_classes(&names, &templates)?)
    };
    // SAFETY: the caller's promise.
    unsafe { guard(call, Some(&live.poisoned), work) }
}

unsafe fn texts(ptr: *const abi::Str, len: usize) -> Result<Vec<String>, Failure> {
    // SAFETY: the caller lends `len` texts.
    let list = unsafe { prefix::list(ptr, len) }.ok_or_else(|| Failure::bad_call("a list of texts is null"))?;
    // SAFETY: as above.
    list.iter().map(|t| unsafe { text(*t) }.map(str::to_owned)).collect()
}

fn unsupported() -> Failure {
    Failure::new(abi::UNSUPPORTED, "a component of this role does not offer this")
}

/// # Safety
/// All arguments are valid as the header describes.
pub(super) unsafe extern "C" fn forward(
    instance: *const abi::Instance,
    call: *const abi::Call,
    function: Function,
    inputs: *const View,
    inputs_len: usize,
    outputs: *const View,
    outputs_len: usize,
    saved: *mut *mut abi::Saved,
) -> Status {
    // SAFETY: the caller's promise.
    let Some(live) = (unsafe { Live::of(instance) }) else { return abi::BAD_CALL };
    let work = || {
        // SAFETY: the caller lends that many views.
        let (inputs, outputs) = unsafe { (prefix::list(inputs, inputs_len), prefix::list(outputs, outputs_len)) };
        let (Some(inputs), Some(outputs)) = (inputs, outputs) else {
            return Err(Failure::bad_call("no buffers"));
        };
        // SAFETY: the views are valid during the call, and the instance during the pull-back's life.
        unsafe {
            let pull = compute(&live.part, function, inputs, outputs, !saved.is_null())?;
            if let Some(pull) = pull {
                saved.write(Kept::handle(instance, pull));
            }
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(call, Some(&live.poisoned), work) }
}

/// # Safety
/// The views are valid as the header describes. The pull-back is dropped before `part`, whatever its lifetime says.
unsafe fn compute(
    part: &Part,
    function: Function,
    inputs: &[View],
    outputs: &[View],
    save: bool,
) -> Result<Option<Pull>, Failure> {
    // SAFETY (of all blocks): the views are valid by the caller's promise, and no longer used when this returns.
    match (part, function, inputs, outputs) {
        (Part::Generator(g), abi::ENCODE, [images, ys], [out]) if !save => {
            // SAFETY: see above.
            let (images, labels) = unsafe { (input::<f32, Ix4>(images)?, labels(ys)?) };
            // SAFETY: see above.
            unsafe { output(out, "latents", &g.encode(images, &labels)?)? };
            Ok(None)
        }
        (Part::Generator(g), abi::DECODE, [latents, ys], [out]) => {
            // SAFETY: see above.
            let (latents, labels) = unsafe { (input::<f32, Ix2>(latents)?, labels(ys)?) };
            if !save {
                // SAFETY: see above.
                unsafe { output(out, "images", &g.decode(latents, &labels)?)? };
                return Ok(None);
            }
            let (images, pull) = g.decode_with_pullback(latents, &labels)?;
            // SAFETY: see above.
            unsafe { output(out, "images", &images)? };
            // SAFETY: only the lifetime changes; the caller drops the pull-back before the component.
            Ok(Some(Pull::Latents(unsafe {
                std::mem::transmute::<fmr_core::LatentPullBack<'_>, fmr_core::LatentPullBack<'static>>(pull)
            })))
        }
        (Part::Generator(g), abi::FINISH, [latents, ys], [out]) if !save => {
            // SAFETY: see above.
            let (latents, labels) = unsafe { (input::<f32, Ix2>(latents)?, labels(ys)?) };
            let finished = g.finish(latents, &labels)?.ok_or_else(unsupported)?;
            // SAFETY: see above.
            unsafe { output(out, "latents", &finished)? };
            Ok(None)
        }
        (Part::Generator(g), abi::QUANTIZE, [latents], [out]) if !save => {
            // SAFETY: see above.
            let latents = unsafe { input::<f32, Ix2>(latents)? };
            let quantized = g.quantized(latents)?.ok_or_else(unsupported)?;
            // SAFETY: see above.
            unsafe { output(out, "latents", &quantized)? };
            Ok(None)
        }
        (Part::Oracle(o), abi::JUDGE, [images], [out]) if !save => {
            // SAFETY: see above.
            let images = unsafe { input::<f32, Ix4>(images)? };
            let scores = o.read().unwrap_or_else(|p| p.into_inner()).judge(images)?;
            // SAFETY: see above.
            unsafe { output(out, "class probabilities", &scores)? };
            Ok(None)
        }
        (Part::Oracle(o), abi::JUDGE_PICTURES, [_, ..], [out]) if !save => {
            // SAFETY: see above.
            let pictures = unsafe { pictures(inputs)? };
            let scores = o.read().unwrap_or_else(|p| p.into_inner()).judge_pictures(&pictures)?;
            // SAFETY: see above.
            unsafe { output(out, "class probabilities", &scores.ok_or_else(unsupported)?)? };
            Ok(None)
        }
        (Part::Target(t), abi::LOGITS_OF_PICTURES, [_, ..], [out]) if !save => {
            // SAFETY: see above.
            let logits = t.logits_of_pictures(&unsafe { pictures(inputs)? })?;
            // SAFETY: see above.
            unsafe { output(out, "logits", &logits.ok_or_else(unsupported)?)? };
            Ok(None)
        }
        (Part::Target(t), abi::LOGITS, [images], [out]) => {
            // SAFETY: see above.
            let images = unsafe { input::<f32, Ix4>(images)? };
            if !save {
                // SAFETY: see above.
                unsafe { output(out, "logits", &t.logits(images)?)? };
                return Ok(None);
            }
            let (logits, pull) = t.logits_with_pullback(images)?;
            // SAFETY: see above.
            unsafe { output(out, "logits", &logits)? };
            // SAFETY: only the lifetime changes; the caller drops the pull-back before the component.
            Ok(Some(Pull::Images(unsafe {
                std::mem::transmute::<fmr_core::ImagePullBack<'_>, fmr_core::ImagePullBack<'static>>(pull)
            })))
        }
        (Part::Scorer(s), abi::SCORE, [logits, clean, ys], [scores, gradients]) if !save => {
            // SAFETY: see above.
            let (logits, clean, labels) =
                unsafe { (input::<f32, Ix2>(logits)?, input::<f32, Ix2>(clean)?, labels(ys)?) };
            let (score, gradient) = s.score(logits, clean, &labels)?;
            // SAFETY: see above.
            unsafe {
                output::<_, Ix1>(scores, "scores", &score)?;
                output(gradients, "gradients", &gradient)?;
            }
            Ok(None)
        }
        _ => Err(unsupported()),
    }
}

/// # Safety
/// All arguments are valid as the header describes.
pub(super) unsafe extern "C" fn pull_back(
    instance: *const abi::Instance,
    saved: *mut abi::Saved,
    call: *const abi::Call,
    cotangent: *const View,
    gradient: *const View,
) -> Status {
    // SAFETY: the caller's promise.
    let (live, kept) = unsafe { (Live::of(instance), Kept::of(saved)) };
    let (Some(live), Some(kept)) = (live, kept) else { return abi::BAD_CALL };
    let work = || {
        let pull = kept.pull.lock().unwrap_or_else(|p| p.into_inner()).take();
        let pull = pull.ok_or_else(|| Failure::new(abi::CONSUMED, "this pull-back was used before"))?;
        // SAFETY: the caller's promise.
        let (Some(cotangent), Some(gradient)) = (unsafe { (cotangent.as_ref(), gradient.as_ref()) }) else {
            return Err(Failure::bad_call("no buffers"));
        };
        // SAFETY: the views are valid during the call.
        unsafe {
            match pull {
                Pull::Images(pull) => output(gradient, "gradients", &pull(input::<f32, Ix2>(cotangent)?)?),
                Pull::Latents(pull) => output(gradient, "gradients", &pull(input::<f32, Ix4>(cotangent)?)?),
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe { guard(call, Some(&live.poisoned), work) }
}

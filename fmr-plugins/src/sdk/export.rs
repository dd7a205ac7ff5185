/// Exports components from a library, which makes it a plugin.
///
/// One entry a component: its role (`generator`, `oracle`, `target` or `scorer`), the name that experiment files use as
/// `kind`, the type of its settings, and what makes it of them: a function of the settings and the
/// [`MakeContext`](fmr_core::registry::MakeContext) that returns the component or an error
/// ([`SettingError`](fmr_core::SettingError), [`ComponentError`](fmr_core::ComponentError) or
/// [`MakeError`](fmr_core::registry::MakeError)). Settings are any `serde::Deserialize` struct, which should say
/// `deny_unknown_fields`. The crate's `crate-type` has to include `cdylib`.
///
/// Settings that implement [`Recipe`](fmr_core::registry::Recipe) need no function: `target "my-model": MySettings,`. The
/// host then checks them by the recipe, before any file is there. Otherwise it looks for the files that fields of the type
/// `PathBuf` name, and all else is found out when the component is made.
///
/// A first line `before: path::to::function,` names a `fn()` that each call begins with, on the thread that the call is
/// on and with its [`call`](crate::call) in place; it is for what is set for a thread, such as the size of the thread
/// pool that a tensor library uses there. A line `parts: path::to::register,` after it names a
/// `fn(&mut Registry)` of the components that those of the library may be made of, by
/// [`MakeContext::registry`](fmr_core::registry::MakeContext).
///
/// ```
/// use fmr_core::{ComponentError, Scorer, SettingError, registry::MakeContext};
/// use ndarray::{Array1, Array2, ArrayView2, Axis};
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     weight: f32,
/// }
///
/// struct Sum(f32);
///
/// impl Sum {
///     fn new(settings: Settings, _: &MakeContext<'_>) -> Result<Self, SettingError> {
///         Ok(Self(settings.weight))
///     }
/// }
///
/// impl Scorer for Sum {
///     fn name(&self) -> &str {
///         "sum"
///     }
///
///     fn score(
///         &self,
///         logits: ArrayView2<'_, f32>,
///         _: ArrayView2<'_, f32>,
///         _: &[usize],
///     ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
///         Ok((logits.sum_axis(Axis(1)) * self.0, Array2::from_elem(logits.dim(), self.0)))
///     }
/// }
///
/// fmr_plugins::export! {
///     scorer "sum": Settings => Sum::new,
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    (before: $before:path, parts: $parts:path, $($rest:tt)+) => {
        $crate::__entry!((Some($before), Some($parts)), $($rest)+);
    };
    (before: $before:path, $($rest:tt)+) => {
        $crate::__entry!((Some($before), None), $($rest)+);
    };
    (parts: $parts:path, $($rest:tt)+) => {
        $crate::__entry!((None, Some($parts)), $($rest)+);
    };
    ($($rest:tt)*) => {
        $crate::__entry!((None, None), $($rest)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    (
        ($before:expr, $parts:expr),
        $($role:ident $name:literal: $settings:ty $(=> $make:expr)?),+ $(,)?
    ) => {
        /// Hands the host the table of this plugin's components.
        ///
        /// # Safety
        /// As `fmr_plugin.h` says: `host` is null or valid, `error` is null or valid, `library` is valid.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn fmr_plugin_v1(
            host: *const $crate::abi::Host,
            error: *mut $crate::abi::Error,
            library: *mut *const $crate::abi::Library,
        ) -> $crate::abi::Status {
            static TABLE: ::std::sync::OnceLock<$crate::abi::Library> = ::std::sync::OnceLock::new();
            // SAFETY: the caller's promises are those that `enter` asks for.
            unsafe {
                $crate::sdk::enter(
                    host,
                    error,
                    library,
                    &TABLE,
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), cfg!(panic = "abort")),
                    $crate::sdk::Common { before: $before, parts: $parts },
                    || vec![$($crate::__component!($role, $name, $settings $(, $make)?)),+],
                )
            }
        }
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "export! takes entries such as `target \"my-model\": MySettings => MyModel::new,`: \
             a role (generator, oracle, target or scorer), a name in quotes, the type of the settings, and a function \
             of the settings and the context"
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __component {
    (@ $constructor:expr, $check:expr, $role:ident, $name:literal, $settings:ty) => {{
        unsafe extern "C" fn create(
            settings: $crate::abi::Str,
            site: *const $crate::abi::Site,
            call: *const $crate::abi::Call,
            out: *mut *mut $crate::abi::Instance,
        ) -> $crate::abi::Status {
            // SAFETY: the caller's promises are those that `create` asks for.
            unsafe { $crate::sdk::create(settings, site, call, out, $constructor) }
        }
        $crate::sdk::component($crate::abi::$role, $name, create, $check, $crate::sdk::schema::<$settings>())
    }};
    (recipe $constructor:ident, $check:ident, $role:ident, $name:literal, $settings:ty) => {{
        unsafe extern "C" fn check(
            settings: $crate::abi::Str,
            site: *const $crate::abi::Site,
            call: *const $crate::abi::Call,
            file: $crate::abi::NameFile,
            files: *mut ::core::ffi::c_void,
        ) -> $crate::abi::Status {
            let check = $crate::sdk::$check::<$settings>;
            // SAFETY: the caller's promises are those that `check` asks for.
            unsafe { $crate::sdk::check(settings, site, call, file, files, check) }
        }
        $crate::__component!(@ $crate::sdk::$constructor::<$settings>(), Some(check), $role, $name, $settings)
    }};
    (generator, $name:literal, $settings:ty, $make:expr) => {
        $crate::__component!(@ $crate::sdk::generator::<$settings, _, _>($make), None, GENERATOR, $name, $settings)
    };
    (oracle, $name:literal, $settings:ty, $make:expr) => {
        $crate::__component!(@ $crate::sdk::oracle::<$settings, _, _>($make), None, ORACLE, $name, $settings)
    };
    (target, $name:literal, $settings:ty, $make:expr) => {
        $crate::__component!(@ $crate::sdk::target::<$settings, _, _>($make), None, TARGET, $name, $settings)
    };
    (scorer, $name:literal, $settings:ty, $make:expr) => {
        $crate::__component!(@ $crate::sdk::scorer::<$settings, _, _>($make), None, SCORER, $name, $settings)
    };
    (generator, $($rest:tt)*) => { $crate::__component!(recipe generator_recipe, check_generator, GENERATOR, $($rest)*) };
    (oracle, $($rest:tt)*) => { $crate::__component!(recipe oracle_recipe, check_oracle, ORACLE, $($rest)*) };
    (target, $($rest:tt)*) => { $crate::__component!(recipe target_recipe, check_target, TARGET, $($rest)*) };
    (scorer, $($rest:tt)*) => { $crate::__component!(recipe scorer_recipe, check_scorer, SCORER, $($rest)*) };
    ($role:ident, $($rest:tt)*) => {
        ::core::compile_error!(concat!(
            "there is no role `", stringify!($role), "`; a component is a generator, an oracle, a target or a scorer"
        ))
    };
}

/// The plugin that this crate exports, linked rather than loaded, for its own tests:
///
/// ```ignore
/// let library = fmr_plugins::linked!()?;
/// let report = fmr_plugins::check::library(&library, &fmr_plugins::check::Options::default());
/// assert!(report.passed(), "{report}");
/// ```
#[cfg(feature = "host")]
#[expect(clippy::crate_in_macro_def, reason = "the crate that exports the plugin is meant")]
#[macro_export]
macro_rules! linked {
    () => {{
        // SAFETY: the function is the one that `export!` makes, which keeps the contract.
        unsafe { $crate::host::Library::linked(env!("CARGO_PKG_NAME"), crate::fmr_plugin_v1) }
    }};
}

//! From a type that implements [`Check`] to the two functions that the component exports.

use crate::{Context, Host, Manifest, Parameters, Verdict, World, contract};

/// Result of a run. Both sides are verdicts: `Err` is there so that `?` can leave early with one.
pub type Finding = Result<Verdict, Verdict>;

/// One check. The crate's page shows a whole one.
pub trait Check {
    /// Settings of the operator; made with [`parameters!`](crate::parameters!), or
    /// [`NoParameters`](crate::NoParameters).
    type Parameters: Parameters;

    /// Returns what the check says of itself. The schema of the parameters is added to it.
    fn manifest() -> Manifest;

    /// Looks and judges. `world` is the only way out; every call of it counts against the limits of the run.
    fn run(world: &impl World, context: &Context, parameters: &Self::Parameters) -> Finding;
}

/// The exported `describe`.
pub fn describe<C: Check>() -> contract::Manifest {
    let manifest = Manifest {
        parameters_schema: crate::schema::<C::Parameters>(),
        ..C::manifest()
    };
    manifest.into()
}

/// The exported `validate`: parameters that cannot be read end as `error`, and what goes out is short and printable.
pub fn validate<C: Check>(context: &Context) -> Verdict {
    let verdict = match crate::read::<C::Parameters>(&context.parameters) {
        Ok(parameters) => C::run(&Host, context, &parameters).unwrap_or_else(|verdict| verdict),
        Err(why) => Verdict::error(format!("parameters of {}: {why}", C::manifest().name)),
    };
    verdict.bounded()
}

/// Makes the crate a component whose check is the type named: `export_check!(MyCheck);`, once per crate.
#[macro_export]
macro_rules! export_check {
    ($check:ty) => {
        #[doc(hidden)]
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::vllm_rollback::plugin::check::Guest for Component {
                fn describe() -> $crate::contract::Manifest {
                    $crate::describe::<$check>()
                }

                fn validate(context: $crate::Context) -> $crate::contract::Verdict {
                    $crate::validate::<$check>(&context).into()
                }
            }

            $crate::export_guest!(Component);
        };
    };
}

/// As [`export_check!`], for a type that implements the generated trait `Guest` itself, without the kit's reading of
/// parameters and its bounds on verdicts.
#[macro_export]
macro_rules! export_guest {
    ($guest:ident) => {
        // Only a component has such exports: their names are none that a native linker takes.
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
    $crate::bindings::export_component!($guest with_types_in $crate::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: (
            fn() -> $crate::contract::Manifest,
            fn($crate::Context) -> $crate::contract::Verdict,
        ) = (
            <$guest as $crate::bindings::exports::vllm_rollback::plugin::check::Guest>::describe,
            <$guest as $crate::bindings::exports::vllm_rollback::plugin::check::Guest>::validate,
        );
    };
}

//! Parameters as text, whatever type the site gave the column.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A value that the server reads as it reads a quoted literal: of the type of what it is compared with or assigned to, an
/// enum or a boolean as well as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter<'a>(pub(super) Option<&'a str>);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(&Type::TEXT, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// With the type that leaves the choice to the server. An unnamed statement with them is one round trip, and works behind
/// a pooler; a named one does not.
pub(super) fn typed<'p>(values: &'p [Parameter<'_>]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as _, Type::UNKNOWN)).collect()
}

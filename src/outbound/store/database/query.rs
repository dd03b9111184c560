//! Statements that either database runs: text with `$n` placeholders and values that both know.

use std::borrow::Cow;

use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Arguments as _, Database, Encode, FromRow, Postgres, Sqlite, Type};

use super::Json;
use super::transaction::On;

/// A row that can be read from either database; every `derive(FromRow)` and every tuple is one.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A value in a statement's place.
pub(crate) enum Value<'q> {
    Integer(Option<i64>),
    Flag(Option<bool>),
    Text(Option<Cow<'q, str>>),
    Bytes(&'q [u8]),
    /// What could not be written as JSON; the statement fails with it.
    Unwritable(serde_json::Error),
}

/// A statement with its values.
pub(crate) struct Query<'q> {
    text: &'static str,
    values: Vec<Value<'q>>,
}

/// A statement whose rows have one column.
pub(crate) struct Scalar<'q>(Query<'q>);

/// A statement of this text.
pub(crate) const fn query(text: &'static str) -> Query<'static> {
    Query { text, values: Vec::new() }
}

/// A statement of this text that asks for one column.
pub(crate) const fn scalar(text: &'static str) -> Scalar<'static> {
    Scalar(query(text))
}

/// Runs the statement where `$on` leads: one arm per way to a connection, as each has its own type.
macro_rules! run {
    ($query:expr, $on:expr, $kind:ident $(<$row:ty>)?, $run:ident $(, $then:expr)?) => {{
        let Query { text, values } = $query;
        match $on {
            On::Sqlite(connection) => {
                let statement = sqlx::$kind::<Sqlite, $($row,)? _>(text, arguments::<Sqlite>(values)?);
                statement.$run(connection).await$(.map($then))?
            }
            On::SqlitePool(pool) => {
                let statement = sqlx::$kind::<Sqlite, $($row,)? _>(text, arguments::<Sqlite>(values)?);
                statement.$run(pool).await$(.map($then))?
            }
            On::Postgres(connection) => {
                let statement = sqlx::$kind::<Postgres, $($row,)? _>(text, arguments::<Postgres>(values)?);
                statement.$run(connection).await$(.map($then))?
            }
            On::PostgresPool(pool) => {
                let statement = sqlx::$kind::<Postgres, $($row,)? _>(text, arguments::<Postgres>(values)?);
                statement.$run(pool).await$(.map($then))?
            }
        }
    }};
}

impl<'q> Query<'q> {
    /// The same with one value more.
    pub(crate) fn bind<'v>(self, value: impl Into<Value<'v>>) -> Query<'v>
    where
        'q: 'v,
    {
        let mut values: Vec<Value<'v>> = self.values;
        values.push(value.into());
        Query { text: self.text, values }
    }

    /// Runs it, and returns how many rows it changed.
    pub(crate) async fn execute(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<u64> {
        run!(self, on.into(), query_with, execute, |done| done.rows_affected())
    }

    /// All rows.
    pub(crate) async fn fetch_all<T: Row>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<Vec<T>> {
        run!(self, on.into(), query_as_with<T>, fetch_all)
    }

    /// The row, where there is one.
    pub(crate) async fn fetch_optional<T: Row>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<Option<T>> {
        run!(self, on.into(), query_as_with<T>, fetch_optional)
    }

    /// The row, which must be there.
    pub(crate) async fn fetch_one<T: Row>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<T> {
        run!(self, on.into(), query_as_with<T>, fetch_one)
    }
}

impl<'q> Scalar<'q> {
    /// The same with one value more.
    pub(crate) fn bind<'v>(self, value: impl Into<Value<'v>>) -> Scalar<'v>
    where
        'q: 'v,
    {
        Scalar(self.0.bind(value))
    }

    /// The column of all rows.
    pub(crate) async fn fetch_all<T>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<Vec<T>>
    where
        (T,): Row,
    {
        self.0.fetch_all::<(T,)>(on).await.map(|rows| rows.into_iter().map(|(value,)| value).collect())
    }

    /// The column of the row, where there is one.
    pub(crate) async fn fetch_optional<T>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<Option<T>>
    where
        (T,): Row,
    {
        self.0.fetch_optional::<(T,)>(on).await.map(|row| row.map(|(value,)| value))
    }

    /// The column of the row, which must be there.
    pub(crate) async fn fetch_one<T>(self, on: impl Into<On<'_>> + Send) -> sqlx::Result<T>
    where
        (T,): Row,
    {
        self.0.fetch_one::<(T,)>(on).await.map(|(value,)| value)
    }
}

fn arguments<DB>(values: Vec<Value<'_>>) -> sqlx::Result<DB::Arguments>
where
    DB: Database,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<bool>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<String>: Encode<'t, DB> + Type<DB>,
    for<'t> &'t [u8]: Encode<'t, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        let added = match value {
            Value::Integer(value) => arguments.add(value),
            Value::Flag(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(storable)),
            Value::Bytes(value) => arguments.add(value),
            Value::Unwritable(error) => Err(error.into()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// `PostgreSQL` has no NUL in texts, and people's texts have no use for one.
fn storable(text: Cow<'_, str>) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.into_owned() }
}

macro_rules! values_from {
    ($($type:ty => |$value:ident| $made:expr),+ $(,)?) => {
        $(impl<'q> From<$type> for Value<'q> {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

values_from! {
    i64 => |value| Self::Integer(Some(value)),
    Option<i64> => |value| Self::Integer(value),
    u16 => |value| Self::Integer(Some(i64::from(value))),
    bool => |value| Self::Flag(Some(value)),
    Option<bool> => |value| Self::Flag(value),
    &'q str => |value| Self::Text(Some(value.into())),
    Option<&'q str> => |value| Self::Text(value.map(Cow::Borrowed)),
    String => |value| Self::Text(Some(value.into())),
    Option<String> => |value| Self::Text(value.map(Cow::Owned)),
    &'q String => |value| Self::Text(Some(value.as_str().into())),
    Option<&'q String> => |value| Self::Text(value.map(|text| text.as_str().into())),
    &'q Option<String> => |value| Self::Text(value.as_deref().map(Cow::Borrowed)),
    Cow<'q, str> => |value| Self::Text(Some(value)),
    &'q Vec<u8> => |value| Self::Bytes(value),
}

impl<T: Serialize> From<Json<T>> for Value<'_> {
    fn from(Json(value): Json<T>) -> Self {
        serde_json::to_string(&value).map_or_else(Self::Unwritable, Self::from)
    }
}

impl<T: Serialize> From<Option<Json<T>>> for Value<'_> {
    fn from(value: Option<Json<T>>) -> Self {
        value.map_or(Self::Text(None), Self::from)
    }
}

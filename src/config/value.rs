//! The values of a configuration, and how serde reads and writes them.
//!
//! A [`ConfigValue`] says in words which forms it accepts, and is read by a [`ValueVisitor`] that
//! knows its [`FieldPath`]. So an error names the field in any format (TOML, JSON, YAML), and says
//! what is accepted there. [`fields!`] reads and writes a table: an unknown or duplicate field is
//! an error. Used by [`super::serde`] and the registry's configurations.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor},
};

/// A value that a configuration can hold. A form that it doesn't override is refused.
pub(crate) trait ConfigValue: Sized {
    /// Names the accepted forms, in words that follow "expected".
    const ACCEPTED: &str;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Returns whether the value is left out when its table is written.
    fn is_unset(&self) -> bool {
        false
    }

    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_count(_: u64) -> Option<Self> {
        None
    }

    fn from_number(_: f64) -> Option<Self> {
        None
    }

    fn from_list<'de, A: SeqAccess<'de>>(_: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &visitor))
    }

    fn from_table<'de, A: MapAccess<'de>>(_: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Map, &visitor))
    }
}

/// Implements [`ConfigValue`]'s writing and reading of a table, from the names of its fields. A
/// field that is missing keeps its default, unless it is required.
macro_rules! fields {
    ($default:expr; $($field:ident $(in $parent:tt)?),+ $(; requires $required:ident)?) => {
        fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut table = serializer.serialize_map(None)?;
            $(if !self$(.$parent)?.$field.is_unset() {
                table.serialize_entry(stringify!($field), &AsSerialize(&self$(.$parent)?.$field))?;
            })+
            table.end()
        }

        fn from_table<'de, A: MapAccess<'de>>(mut table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
            let mut read = $default;
            let mut seen = Vec::new();
            while let Some(key) = table.next_key::<String>()? {
                if seen.contains(&key) {
                    return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                }
                match key.as_str() {
                    $(stringify!($field) => {
                        let field = visitor.path.field(stringify!($field));
                        read$(.$parent)?.$field = table.next_value_seed(ValueVisitor::at(field))?;
                    })+
                    _ => return Err(A::Error::unknown_field(&key, &[$(stringify!($field)),+])),
                }
                seen.push(key);
            }
            $(if !seen.iter().any(|key| key == stringify!($required)) {
                let missing = visitor.path.field(stringify!($required));
                return Err(A::Error::custom(format_args!("{missing} is missing")));
            })?
            Ok(read)
        }
    };
}
pub(crate) use fields;

/// A [`ConfigValue`] that serde can serialize.
pub(crate) struct AsSerialize<'a, T>(pub(crate) &'a T);

impl<T: ConfigValue> Serialize for AsSerialize<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// A path to a field of a configuration: `trip_when.evidence.tolerated_rate`.
#[derive(Clone, Copy)]
pub(crate) enum FieldPath<'a> {
    Root,
    Field(&'a FieldPath<'a>, &'a str),
}

impl FieldPath<'_> {
    pub(crate) fn field<'a>(&'a self, field: &'a str) -> FieldPath<'a> {
        FieldPath::Field(self, field)
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, field) => f.write_str(field),
            Self::Field(table, field) => write!(f, "{table}.{field}"),
        }
    }
}

/// A visitor that reads the value at a path.
pub(crate) struct ValueVisitor<'a, T> {
    pub(crate) path: FieldPath<'a>,
    value: PhantomData<T>,
}

impl<'a, T> ValueVisitor<'a, T> {
    pub(crate) fn at(path: FieldPath<'a>) -> Self {
        let value = PhantomData;
        Self { path, value }
    }
}

impl<'de, T: ConfigValue> DeserializeSeed<'de> for ValueVisitor<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: ConfigValue> Visitor<'de> for ValueVisitor<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path {
            FieldPath::Root => f.write_str(T::ACCEPTED),
            field => write!(f, "{field} to be {}", T::ACCEPTED),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<T, E> {
        T::from_count(count)
            .or_else(|| T::from_number(count as f64))
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(count), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(count) => self.visit_u64(count),
            Err(_) => T::from_number(number as f64).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list, self)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::from_table(table, self)
    }
}

impl ConfigValue for Arc<str> {
    const ACCEPTED: &str = "a text";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl ConfigValue for Duration {
    const ACCEPTED: &str = "a duration such as \"300ms\" or \"1m 30s\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*self))
    }

    fn from_text(text: &str) -> Option<Self> {
        // A number of more than 18 digits is out of any range, and humantime 2.4 panics at some of
        // them.
        let is_too_long = text
            .split(|c: char| !c.is_ascii_digit())
            .any(|number| number.len() > 18);
        (!is_too_long).then(|| humantime::parse_duration(text).ok()).flatten()
    }
}

impl ConfigValue for f64 {
    const ACCEPTED: &str = "a number";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*self)
    }

    fn from_number(number: f64) -> Option<Self> {
        Some(number)
    }
}

macro_rules! count {
    ($int:ty: $accepted:literal) => {
        impl ConfigValue for $int {
            const ACCEPTED: &str = $accepted;

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }

            fn from_count(count: u64) -> Option<Self> {
                count.try_into().ok()
            }
        }
    };
}

count!(u8: "a list of percentages");
count!(u32: "a whole number up to 4294967295");
count!(u64: "a whole number");
count!(usize: "a whole number");

/// A list of at least one; one alone may be written without a list.
impl<T: ConfigValue> ConfigValue for Vec<T> {
    const ACCEPTED: &str = T::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_slice() {
            [one] => one.write(serializer),
            all => serializer.collect_seq(all.iter().map(AsSerialize)),
        }
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn from_count(count: u64) -> Option<Self> {
        T::from_count(count).map(|one| vec![one])
    }

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element_seed(ValueVisitor::at(visitor.path))? {
            all.push(one);
        }
        match all.len() {
            0 => Err(A::Error::invalid_length(0, &visitor)),
            _ => Ok(all),
        }
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        T::from_table(table, ValueVisitor::at(visitor.path)).map(|one| vec![one])
    }
}

impl<T: ConfigValue> ConfigValue for Option<T> {
    const ACCEPTED: &str = T::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(AsSerialize).serialize(serializer)
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn from_count(count: u64) -> Option<Self> {
        T::from_count(count).map(Some)
    }

    fn from_number(number: f64) -> Option<Self> {
        T::from_number(number).map(Some)
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        T::from_list(list, ValueVisitor::at(visitor.path)).map(Some)
    }

    fn from_table<'de, A: MapAccess<'de>>(table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        T::from_table(table, ValueVisitor::at(visitor.path)).map(Some)
    }
}

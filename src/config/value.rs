//! Values and where they stand, so that an error names the field in any format and says in words what is accepted.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor},
};

/// What can be written. Each kind says which forms it takes; no other is accepted.
pub(crate) trait Value: Sized {
    const ACCEPTED: &str;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Whether there is nothing to write.
    fn is_unset(&self) -> bool {
        false
    }

    fn text(_: &str) -> Option<Self> {
        None
    }

    fn count(_: u64) -> Option<Self> {
        None
    }

    fn number(_: f64) -> Option<Self> {
        None
    }

    fn list<'de, A: SeqAccess<'de>>(_: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &at))
    }

    fn table<'de, A: MapAccess<'de>>(_: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Map, &at))
    }
}

/// Writes a table under the names of its fields, and reads it: a field that isn't there keeps its default, unless it is needed.
macro_rules! fields {
    ($default:expr; $($field:ident $(in $parent:tt)?),+ $(; needs $needed:ident)?) => {
        fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut table = serializer.serialize_map(None)?;
            $(if !self$(.$parent)?.$field.is_unset() {
                table.serialize_entry(stringify!($field), &Writer(&self$(.$parent)?.$field))?;
            })+
            table.end()
        }

        fn table<'de, A: MapAccess<'de>>(mut table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
            let mut read = $default;
            let mut seen = Vec::new();
            while let Some(key) = table.next_key::<String>()? {
                if seen.contains(&key) {
                    return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                }
                match key.as_str() {
                    $(stringify!($field) => {
                        let field = at.place.field(stringify!($field));
                        read$(.$parent)?.$field = table.next_value_seed(Reader::at(field))?;
                    })+
                    _ => return Err(A::Error::unknown_field(&key, &[$(stringify!($field)),+])),
                }
                seen.push(key);
            }
            $(if !seen.iter().any(|key| key == stringify!($needed)) {
                let missing = at.place.field(stringify!($needed));
                return Err(A::Error::custom(format_args!("{missing} is missing")));
            })?
            Ok(read)
        }
    };
}
pub(crate) use fields;

pub(crate) struct Writer<'a, T>(pub(crate) &'a T);

impl<T: Value> Serialize for Writer<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Where in a configuration: `trip_when.evidence.tolerated_rate`.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Top,
    Field(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    pub(crate) fn field<'a>(&'a self, field: &'a str) -> Place<'a> {
        Place::Field(self, field)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(Self::Top, field) => f.write_str(field),
            Self::Field(table, field) => write!(f, "{table}.{field}"),
        }
    }
}

/// Reads what is written at a place.
pub(crate) struct Reader<'a, T> {
    pub(crate) place: Place<'a>,
    value: PhantomData<T>,
}

impl<'a, T> Reader<'a, T> {
    pub(crate) fn at(place: Place<'a>) -> Self {
        let value = PhantomData;
        Self { place, value }
    }
}

impl<'de, T: Value> DeserializeSeed<'de> for Reader<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Value> Visitor<'de> for Reader<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Top => f.write_str(T::ACCEPTED),
            field => write!(f, "{field} to be {}", T::ACCEPTED),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<T, E> {
        T::count(count)
            .or_else(|| T::number(count as f64))
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(count), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(count) => self.visit_u64(count),
            Err(_) => T::number(number as f64).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::number(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list, self)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::table(table, self)
    }
}

impl Value for Arc<str> {
    const ACCEPTED: &str = "a text";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Value for Duration {
    const ACCEPTED: &str = "a duration such as \"300ms\" or \"1m 30s\"";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*self))
    }

    fn text(text: &str) -> Option<Self> {
        // So many digits are out of any range, and humantime 2.4 panics at some of them.
        let long = text
            .split(|c: char| !c.is_ascii_digit())
            .any(|number| number.len() > 18);
        (!long).then(|| humantime::parse_duration(text).ok()).flatten()
    }
}

impl Value for f64 {
    const ACCEPTED: &str = "a number";

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*self)
    }

    fn number(number: f64) -> Option<Self> {
        Some(number)
    }
}

macro_rules! count {
    ($int:ty: $accepted:literal) => {
        impl Value for $int {
            const ACCEPTED: &str = $accepted;

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }

            fn count(count: u64) -> Option<Self> {
                count.try_into().ok()
            }
        }
    };
}

count!(u8: "a list of percentages");
count!(u32: "a whole number up to 4294967295");
count!(u64: "a whole number");
count!(usize: "a whole number");

/// At least one; one alone needs no list.
impl<T: Value> Value for Vec<T> {
    const ACCEPTED: &str = T::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_slice() {
            [one] => one.write(serializer),
            all => serializer.collect_seq(all.iter().map(Writer)),
        }
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn count(count: u64) -> Option<Self> {
        T::count(count).map(|one| vec![one])
    }

    fn list<'de, A: SeqAccess<'de>>(mut list: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element_seed(Reader::at(at.place))? {
            all.push(one);
        }
        match all.len() {
            0 => Err(A::Error::invalid_length(0, &at)),
            _ => Ok(all),
        }
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        T::table(table, Reader::at(at.place)).map(|one| vec![one])
    }
}

impl<T: Value> Value for Option<T> {
    const ACCEPTED: &str = T::ACCEPTED;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Writer).serialize(serializer)
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }

    fn text(text: &str) -> Option<Self> {
        T::text(text).map(Some)
    }

    fn count(count: u64) -> Option<Self> {
        T::count(count).map(Some)
    }

    fn number(number: f64) -> Option<Self> {
        T::number(number).map(Some)
    }

    fn list<'de, A: SeqAccess<'de>>(list: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        T::list(list, Reader::at(at.place)).map(Some)
    }

    fn table<'de, A: MapAccess<'de>>(table: A, at: Reader<'_, Self>) -> Result<Self, A::Error> {
        T::table(table, Reader::at(at.place)).map(Some)
    }
}

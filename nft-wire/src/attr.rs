//! Netlink attributes: a length, a type and a value, padded to four bytes; nested ones are values of others.

use alloc::vec::Vec;

use smallvec::SmallVec;

/// Bytes of the header of an attribute.
pub(crate) const HEADER: usize = 4;
/// Says that the value is attributes.
pub(crate) const NESTED: u16 = 1 << 15;
/// Says that the value is in the order of the network. Nobody in nf_tables sets it.
const NET_BYTEORDER: u16 = 1 << 14;

/// Writes attributes behind what is in a buffer.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
    /// Whether a value was longer than its length can say.
    overflow: bool,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(bytes: &'b mut Vec<u8>) -> Self {
        Self { bytes, overflow: false }
    }

    /// Whether everything that was written can be read.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.overflow
    }

    #[inline]
    pub(crate) fn put<F: Field>(&mut self, kind: u16, field: &F) {
        field.put(kind, self);
    }

    /// An attribute of these bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, kind: u16, bytes: &[u8]) {
        self.header(kind, bytes.len());
        self.raw(bytes);
        self.pad(bytes.len());
    }

    /// An attribute that holds nothing but an attribute of these bytes.
    #[inline]
    pub(crate) fn bytes_inside(&mut self, kind: u16, inner: u16, bytes: &[u8]) {
        // A protocol, a port, an address of IPv4: always as long, and put down at once.
        let short = match *bytes {
            [a] => Some((5_u16, [a, 0, 0, 0])),
            [a, b] => Some((6, [a, b, 0, 0])),
            [a, b, c, d] => Some((8, [a, b, c, d])),
            _ => None,
        };
        if let Some((len, [i, j, k, l])) = short {
            let ([a, b], [c, d]) = (12_u16.to_ne_bytes(), (kind | NESTED).to_ne_bytes());
            let ([e, f], [g, h]) = (len.to_ne_bytes(), inner.to_ne_bytes());
            return self.raw(&[a, b, c, d, e, f, g, h, i, j, k, l]);
        }
        self.header(kind | NESTED, HEADER + bytes.len().next_multiple_of(4));
        self.bytes(inner, bytes);
    }

    /// An attribute of these bytes and a zero behind them.
    #[inline]
    pub(crate) fn text(&mut self, kind: u16, text: &[u8]) {
        self.header(kind, text.len() + 1);
        self.raw(text);
        // One at least.
        self.raw([0; 4].get(text.len() % 4..).unwrap_or_default());
    }

    /// The header of an attribute whose value has so many bytes.
    #[inline]
    fn header(&mut self, kind: u16, len: usize) {
        let len = u16::try_from(HEADER + len).unwrap_or_else(|_| {
            self.overflow = true;
            0
        });
        let ([a, b], [c, d]) = (len.to_ne_bytes(), kind.to_ne_bytes());
        self.raw(&[a, b, c, d]);
    }

    /// What lacks to a multiple of four bytes.
    #[inline]
    fn pad(&mut self, len: usize) {
        if len % 4 > 0 {
            self.raw([0; 4].get(len % 4..).unwrap_or_default());
        }
    }

    /// An attribute whose value is attributes, which this function writes.
    #[inline]
    pub(crate) fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        write(self);
        self.close(start);
    }

    /// An attribute that begins with these bytes, which have the headers of it and, at `inner`, of the last one in it; that one's
    /// value is attributes, which this function writes.
    #[inline]
    pub(crate) fn nest_behind(&mut self, head: &[u8], inner: usize, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.raw(head);
        write(self);
        // Attributes end at a multiple of four, so that nothing is to be padded.
        self.set_len(start + inner);
        self.set_len(start);
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        let [low, high] = kind.to_ne_bytes();
        self.bytes.extend_from_slice(&[0, 0, low, high]);
        start
    }

    #[inline]
    pub(crate) fn close(&mut self, start: usize) {
        self.set_len(start);
        self.pad(self.bytes.len() - start);
    }

    /// Writes the length of the attribute that began here, and ends here.
    #[inline]
    fn set_len(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        match (u16::try_from(len), self.bytes.get_mut(start..start + 2)) {
            (Ok(len), Some(place)) => place.copy_from_slice(&len.to_ne_bytes()),
            _ => self.overflow = true,
        }
    }
}

/// An attribute as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attr<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
    /// Its type with flags, as it was read.
    flagged: u16,
}

impl Attr<'_> {
    /// Puts it behind what is kept, as it was read.
    pub(crate) fn keep(self, kept: &mut Option<Bytes>) {
        let kept = kept.get_or_insert_default();
        // It was read from a length of two bytes.
        let len = u16::try_from(self.value.len() + HEADER).unwrap_or(u16::MAX);
        kept.extend_from_slice(&len.to_ne_bytes());
        kept.extend_from_slice(&self.flagged.to_ne_bytes());
        kept.extend_from_slice(self.value);
        kept.resize(kept.len().next_multiple_of(4), 0);
    }
}

/// Attributes, up to the first that is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl Attrs<'_> {
    /// Whether nothing is left; after the last attribute, whether none was cut.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let [a, b, c, d, ..] = *self.0 else { return None };
        let (len, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        let value = self.0.get(HEADER..len)?;
        // The last one may lack its padding.
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Attr { kind: kind & !(NESTED | NET_BYTEORDER), value, flagged: kind })
    }
}

/// The value of an attribute.
pub(crate) trait Field: Sized {
    /// Flags of the type of an attribute with such a value.
    const FLAGS: u16 = 0;

    /// The value alone.
    fn write(&self, writer: &mut Writer<'_>);

    /// The whole attribute. Who knows the length beforehand has a faster way.
    #[inline]
    fn put(&self, kind: u16, writer: &mut Writer<'_>) {
        let start = writer.open(kind | Self::FLAGS);
        self.write(writer);
        writer.close(start);
    }

    /// `None` if these bytes are no such value.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty)*) => {$(
        /// In the order of the network, as everywhere in nf_tables.
        impl Field for $type {
            #[inline]
            fn write(&self, writer: &mut Writer<'_>) {
                writer.raw(&self.to_be_bytes());
            }

            #[inline]
            fn put(&self, kind: u16, writer: &mut Writer<'_>) {
                const SIZE: usize = size_of::<$type>();
                let mut whole = [0; (HEADER + SIZE).next_multiple_of(4)];
                let (header, value) = whole.split_at_mut(HEADER);
                // At most 12.
                let len = u16::try_from(HEADER + SIZE).unwrap_or(u16::MAX).to_ne_bytes();
                let bytes = [len, kind.to_ne_bytes()].into_iter().flatten();
                header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
                value.iter_mut().zip(self.to_be_bytes()).for_each(|(place, byte)| *place = byte);
                writer.raw(&whole);
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_be_bytes)
            }
        }
    )*};
}
number!(u8 u16 u32 u64 i32);

/// Bytes of any kind; sixteen, as of an address, are no allocation.
pub type Bytes = SmallVec<[u8; 16]>;

impl Field for Bytes {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.raw(self);
    }

    #[inline]
    fn put(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.bytes(kind, self);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_slice(bytes))
    }
}

/// A structure whose fields are attributes: its writer and its reader from one table. What `must` be there is a field,
/// what `may` be there is an `Option`. With `keep`, attributes that have no field are kept as they were read and written again
/// behind the others, but for that which only aligns the number behind it; without, a structure that has one is not read.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            must { $($(#[$must_meta:meta])* $must:ident: $must_type:ty = $must_kind:literal,)* }
            may { $($(#[$may_meta:meta])* $may:ident: $may_type:ty = $may_kind:literal,)* }
            $(keep { $(#[$keep_meta:meta])* $keep:ident, but $pad:literal })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "it is made field by field, as in the kernel's header")]
        pub struct $name {
            $($(#[$must_meta])* pub $must: $must_type,)*
            $($(#[$may_meta])* pub $may: Option<$may_type>,)*
            $($(#[$keep_meta])* pub $keep: Option<$crate::attr::Bytes>,)?
        }

        impl $name {
            /// With what must be there, and nothing else.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "of those that need nothing, too, to be made like the others")]
            pub const fn new($($must: $must_type),*) -> Self {
                Self { $($must,)* $($may: None,)* $($keep: None,)? }
            }
        }

        impl $crate::attr::Field for $name {
            const FLAGS: u16 = $crate::attr::NESTED;

            fn write(&self, writer: &mut $crate::attr::Writer<'_>) {
                $(writer.put($must_kind, &self.$must);)*
                $(if let Some(field) = &self.$may { writer.put($may_kind, field); })*
                $(if let Some(kept) = &self.$keep { writer.raw(kept); })?
                // A record may have no field.
                let _ = writer;
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                $(let mut $must = None;)*
                $(let mut $may = None;)*
                let keeps = !stringify!($($keep)?).is_empty();
                let mut kept: Option<$crate::attr::Bytes> = None;
                let mut attrs = $crate::attr::Attrs(bytes);
                for attr in attrs.by_ref() {
                    match attr.kind {
                        $($must_kind => $must = Some($crate::attr::Field::read(attr.value)?),)*
                        $($may_kind => match $crate::attr::Field::read(attr.value) {
                            Some(field) => $may = Some(field),
                            None if keeps => attr.keep(&mut kept),
                            None => return None,
                        },)*
                        $($pad => {})?
                        _ if keeps => attr.keep(&mut kept),
                        // What aligns the number behind it says nothing.
                        _ if attr.value.is_empty() => {}
                        _ => return None,
                    }
                }
                attrs.is_empty().then_some(Self { $($must: $must?,)* $($may,)* $($keep: kept,)? })
            }
        }
    };
}
pub(crate) use record;

/// A number that says what something is. Numbers without a name are kept.
macro_rules! code {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $type:ty {
            $($(#[$value_meta:meta])* $value:ident = $number:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($type);

        impl $name {
            $($(#[$value_meta])* pub const $value: Self = Self($number);)*

            /// The one with this number, whether it has a name here or not.
            #[must_use]
            pub const fn new(number: $type) -> Self {
                Self(number)
            }

            /// Its number.
            #[must_use]
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl $crate::attr::Field for $name {
            #[inline]
            fn write(&self, writer: &mut $crate::attr::Writer<'_>) {
                self.0.write(writer);
            }

            #[inline]
            fn put(&self, kind: u16, writer: &mut $crate::attr::Writer<'_>) {
                self.0.put(kind, writer);
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                $crate::attr::Field::read(bytes).map(Self)
            }
        }
    };
}
pub(crate) use code;

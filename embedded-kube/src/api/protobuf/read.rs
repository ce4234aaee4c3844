//! The wire format: fields one after the other.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::DecodeError;

/// What a field has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// A number: of any size and sign, or truth.
    Number(u64),
    /// Anything of a length: text, bytes, a message.
    Bytes(&'a [u8]),
}

/// Reads a message's fields.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and content; nothing at the end. Fields of types that no kind has are passed over.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Content<'a>)>, DecodeError> {
        while !self.rest.is_empty() {
            let (number, wire_type) = decode_key(&mut self.rest).map_err(DecodeError::Wire)?;
            match wire_type {
                WireType::Varint => return Ok(Some((number, Content::Number(self.number()?)))),
                WireType::LengthDelimited => {
                    let length = self.number()?;
                    let length = usize::try_from(length).map_err(|_| DecodeError::Type)?;
                    let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
                        return Err(DecodeError::Type);
                    };
                    self.rest = rest;
                    return Ok(Some((number, Content::Bytes(bytes))));
                }
                WireType::SixtyFourBit | WireType::StartGroup | WireType::EndGroup | WireType::ThirtyTwoBit => {
                    let context = DecodeContext::default();
                    skip_field(wire_type, number, &mut self.rest, context).map_err(DecodeError::Wire)?;
                }
            }
        }
        Ok(None)
    }

    /// The numbers of a packed list, of which nothing else may follow.
    pub(super) fn numbers(mut self) -> Result<Vec<u64>, DecodeError> {
        let mut numbers = Vec::new();
        while !self.rest.is_empty() {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        decode_varint(&mut self.rest).map_err(DecodeError::Wire)
    }
}

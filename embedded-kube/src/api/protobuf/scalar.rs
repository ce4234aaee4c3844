//! Values that are no objects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::DecodeError;
use super::message::Type;
use super::read::{Content, Reader};

/// The value of a field; nothing for a time that is not set.
pub(super) fn value(kind: Type, content: Content<'_>) -> Result<Option<Value>, DecodeError> {
    Ok(match kind {
        Type::Text => Some(text(content)?.into()),
        Type::Truth => Some((integer(content)? != 0).into()),
        Type::Number => Some(number(integer(content)?)),
        Type::Bytes => Some(STANDARD.encode(bytes(content)?).into()),
        Type::Time => time(bytes(content)?, false)?,
        Type::MicroTime => time(bytes(content)?, true)?,
        Type::Quantity => Some(first(bytes(content)?)?.map_or(Ok(String::new()), text)?.into()),
        Type::NumberOrText => Some(number_or_text(bytes(content)?)?),
        Type::Json => json(bytes(content)?)?,
        Type::Texts => Some(texts(bytes(content)?)?),
        Type::Message(_) => return Err(DecodeError::Type),
    })
}

/// Whether Go would leave it out.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

pub(super) fn bytes(content: Content<'_>) -> Result<&[u8], DecodeError> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Number(_) => Err(DecodeError::Type),
    }
}

pub(super) fn text(content: Content<'_>) -> Result<String, DecodeError> {
    let bytes = bytes(content)?.to_vec();
    String::from_utf8(bytes).map_err(|_| DecodeError::Text)
}

/// Numbers below zero are in the upper half.
pub(super) fn number(number: u64) -> Value {
    number.cast_signed().into()
}

fn integer(content: Content<'_>) -> Result<u64, DecodeError> {
    match content {
        Content::Number(number) => Ok(number),
        Content::Bytes(_) => Err(DecodeError::Type),
    }
}

/// The last content of the message's field 1.
fn first(bytes: &[u8]) -> Result<Option<Content<'_>>, DecodeError> {
    let mut found = None;
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        if number == 1 {
            found = Some(content);
        }
    }
    Ok(found)
}

fn texts(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut texts = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        if number == 1 {
            texts.push(Value::String(text(content)?));
        }
    }
    Ok(Value::Array(texts))
}

/// Times are of seconds, as in JSON: the API server drops what is finer.
fn time(bytes: &[u8], micro: bool) -> Result<Option<Value>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        match number {
            1 => seconds = integer(content)?.cast_signed(),
            2 => nanos = integer(content)?.cast_signed(),
            _ => {}
        }
    }
    let nanos = if micro { i32::try_from(nanos).map_err(|_| DecodeError::Time)? } else { 0 };
    let time = Timestamp::new(seconds, nanos).map_err(|_| DecodeError::Time)?;
    let form = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Some(time.strftime(form).to_string().into()))
}

/// `intstr.IntOrString`: which of the two it is, the number, the text.
fn number_or_text(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (mut is_text, mut of_number, mut of_text) = (false, 0, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        match number {
            1 => is_text = integer(content)? != 0,
            2 => of_number = integer(content)?,
            3 => of_text = text(content)?,
            _ => {}
        }
    }
    Ok(if is_text { of_text.into() } else { number(of_number) })
}

fn json(bytes: &[u8]) -> Result<Option<Value>, DecodeError> {
    let Some(content) = first(bytes)? else { return Ok(None) };
    serde_json::from_slice(self::bytes(content)?).map(Some).map_err(DecodeError::Json)
}

//! The structures of a Parquet file's footer and of the headers of its pages, with the fields that the library reads of each.
//! It reads these as what they should be, whatever kind they say they are.

/// A structure, by its name in the format's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    FileMetaData,
    SchemaElement,
    LogicalType,
    DecimalType,
    /// Also that of a timestamp.
    TimeType,
    TimeUnit,
    IntType,
    VariantType,
    GeometryType,
    GeographyType,
    KeyValue,
    ColumnOrder,
    RowGroup,
    SortingColumn,
    ColumnChunk,
    ColumnMetaData,
    Statistics,
    PageEncodingStats,
    SizeStatistics,
    GeospatialStatistics,
    BoundingBox,
    PageHeader,
    DataPageHeader,
    DictionaryPageHeader,
    DataPageHeaderV2,
    /// One that has no fields.
    Empty,
    /// One that is passed over.
    Other,
}

/// What a field, or an element of a list, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Truth,
    Byte,
    /// Of 16, 32 or 64 bits, which are written in the same way.
    Integer,
    Double,
    Binary,
    Structure(Structure),
    /// A list of structures.
    Structures(Structure),
    /// A list of integers.
    Integers,
    /// What is passed over, as the kind that it says it is.
    Other,
}

impl Structure {
    /// What its field of that number is; None when it can have none.
    pub(super) fn field(self, number: i16) -> Option<Shape> {
        Some(match (self, number) {
            (_, ..=0) | (Self::Empty, _) => return None,

            (Self::FileMetaData, 1 | 3) => Shape::Integer,
            (Self::FileMetaData, 2) => Shape::Structures(Self::SchemaElement),
            (Self::FileMetaData, 4) => Shape::Structures(Self::RowGroup),
            (Self::FileMetaData, 5) => Shape::Structures(Self::KeyValue),
            (Self::FileMetaData, 6) => Shape::Binary,
            (Self::FileMetaData, 7) => Shape::Structures(Self::ColumnOrder),
            (Self::KeyValue, 1 | 2) => Shape::Binary,
            (Self::ColumnOrder, 1) => Shape::Structure(Self::Empty),

            (Self::SchemaElement, 1..=3 | 5..=9) => Shape::Integer,
            (Self::SchemaElement, 4) => Shape::Binary,
            (Self::SchemaElement, 10) => Shape::Structure(Self::LogicalType),
            (Self::LogicalType, 5) => Shape::Structure(Self::DecimalType),
            (Self::LogicalType, 7 | 8) => Shape::Structure(Self::TimeType),
            (Self::LogicalType, 10) => Shape::Structure(Self::IntType),
            (Self::LogicalType, 16) => Shape::Structure(Self::VariantType),
            (Self::LogicalType, 17) => Shape::Structure(Self::GeometryType),
            (Self::LogicalType, 18) => Shape::Structure(Self::GeographyType),
            (Self::LogicalType, 1..=4 | 6 | 11..=15) => Shape::Structure(Self::Empty),
            (Self::DecimalType, 1 | 2) => Shape::Integer,
            (Self::TimeType, 1) => Shape::Truth,
            (Self::TimeType, 2) => Shape::Structure(Self::TimeUnit),
            (Self::TimeUnit, 1..=3) => Shape::Structure(Self::Empty),
            (Self::IntType | Self::VariantType, 1) => Shape::Byte,
            (Self::IntType, 2) => Shape::Truth,
            (Self::GeometryType | Self::GeographyType, 1) => Shape::Binary,
            (Self::GeographyType, 2) => Shape::Integer,

            (Self::RowGroup, 1) => Shape::Structures(Self::ColumnChunk),
            (Self::RowGroup, 2 | 3 | 5 | 7) => Shape::Integer,
            (Self::RowGroup, 4) => Shape::Structures(Self::SortingColumn),
            (Self::SortingColumn, 1) => Shape::Integer,
            (Self::SortingColumn, 2 | 3) => Shape::Truth,
            (Self::ColumnChunk, 1) => Shape::Binary,
            (Self::ColumnChunk, 2 | 4..=7) => Shape::Integer,
            (Self::ColumnChunk, 3) => Shape::Structure(Self::ColumnMetaData),
            (Self::ColumnMetaData, 1 | 4..=7 | 9..=11 | 14 | 15) => Shape::Integer,
            (Self::ColumnMetaData, 2) => Shape::Integers,
            (Self::ColumnMetaData, 12) => Shape::Structure(Self::Statistics),
            (Self::ColumnMetaData, 13) => Shape::Structures(Self::PageEncodingStats),
            (Self::ColumnMetaData, 16) => Shape::Structure(Self::SizeStatistics),
            (Self::ColumnMetaData, 17) => Shape::Structure(Self::GeospatialStatistics),
            (Self::Statistics, 1 | 2 | 5 | 6) => Shape::Binary,
            (Self::Statistics, 3 | 4) => Shape::Integer,
            (Self::Statistics, 7 | 8) => Shape::Truth,
            (Self::PageEncodingStats, 1..=3) => Shape::Integer,
            (Self::SizeStatistics, 1) => Shape::Integer,
            (Self::SizeStatistics, 2 | 3) => Shape::Integers,
            (Self::GeospatialStatistics, 1) => Shape::Structure(Self::BoundingBox),
            (Self::GeospatialStatistics, 2) => Shape::Integers,
            (Self::BoundingBox, 1..=8) => Shape::Double,

            (Self::PageHeader, 1..=4) => Shape::Integer,
            (Self::PageHeader, 5) => Shape::Structure(Self::DataPageHeader),
            // That of an index has no fields that are read.
            (Self::PageHeader, 6) => Shape::Structure(Self::Other),
            (Self::PageHeader, 7) => Shape::Structure(Self::DictionaryPageHeader),
            (Self::PageHeader, 8) => Shape::Structure(Self::DataPageHeaderV2),
            (Self::DataPageHeader, 1..=4) => Shape::Integer,
            (Self::DictionaryPageHeader, 1 | 2) => Shape::Integer,
            (Self::DictionaryPageHeader, 3) => Shape::Truth,
            (Self::DataPageHeaderV2, 1..=6) => Shape::Integer,
            (Self::DataPageHeaderV2, 7) => Shape::Truth,

            _ => Shape::Other,
        })
    }
}

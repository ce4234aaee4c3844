//! Every documented example of every function, run by DataFusion: as written, and over columns of each string type.

use std::sync::Arc;

use aggregator_compiler::functions::{self, Example, Function};
use aggregator_tests::random::Random;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionContext, col};

/// Functions for which a NULL is a value like others; all others must give NULL for one.
const NULL_IS_A_VALUE: [&str; 3] = ["row_fingerprint", "is_blank", "null_if_any"];

fn context() -> SessionContext {
    let context = SessionContext::new();
    for function in functions::all() {
        context.register_udf(function.udf().as_ref().clone());
    }
    context
}

fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    array_value_to_string(array, row).expect("a value that can be shown")
}

async fn column_of(context: &SessionContext, sql: &str) -> Result<ArrayRef, String> {
    let frame = context.sql(sql).await.map_err(|error| error.strip_backtrace())?;
    let batches = frame.collect().await.map_err(|error| error.strip_backtrace())?;
    let columns: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(0).as_ref()).collect();
    concat(&columns).map_err(|error| error.to_string())
}

fn examples() -> impl Iterator<Item = (&'static Function, &'static Example)> {
    functions::all().flat_map(|function| function.examples.iter().map(move |example| (function, example)))
}

#[tokio::test]
async fn every_example_gives_what_it_says() {
    let context = context();
    let mut wrong = Vec::new();
    for (_, example) in examples() {
        let given = match column_of(&context, &format!("SELECT {}", example.sql)).await {
            Ok(column) => shown(&column, 0),
            Err(error) => error,
        };
        if given != example.result {
            wrong.push(format!("{} gives {given}, not {}", example.sql, example.result));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The example with a column in the place of each literal, and the columns: the literal, nothing, the literal.
async fn columnar(context: &SessionContext, sql: &str, text: &DataType) -> (Expr, Vec<(String, ArrayRef)>) {
    let plan = context.sql(&format!("SELECT {sql}")).await.expect(sql).into_unoptimized_plan();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let expression = plan.expressions().swap_remove(0).transform_up(|expression| {
        let Expr::Literal(value, _) = &expression else { return Ok(Transformed::no(expression)) };
        let value = match value {
            ScalarValue::Utf8(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Utf8View(_) => value.cast_to(text)?,
            other => other.clone(),
        };
        let nothing = ScalarValue::try_from(&value.data_type())?;
        let name = format!("c{}", columns.len());
        columns.push((name.clone(), ScalarValue::iter_to_array([value.clone(), nothing, value])?));
        Ok(Transformed::yes(col(name)))
    });
    (expression.expect(sql).data, columns)
}

#[tokio::test]
async fn every_example_holds_over_columns_of_each_string_type_with_nulls() {
    let context = context();
    let mut wrong = Vec::new();
    for text in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        for (function, example) in examples() {
            let (expression, columns) = columnar(&context, example.sql, &text).await;
            assert!(!columns.is_empty(), "{} has no literal", example.sql);
            let batch = RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, column)| (name, column, true)),
            )
            .expect("columns of one length");
            let frame = context.read_batch(batch).and_then(|frame| frame.select(vec![expression])).expect(example.sql);
            let batches = frame.collect().await.expect(example.sql);
            let column = batches[0].column(0);
            let given: Vec<String> = (0..3).map(|row| shown(column, row)).collect();
            let in_the_middle = if NULL_IS_A_VALUE.contains(&function.name) { given[1].as_str() } else { "NULL" };
            if given != [example.result, in_the_middle, example.result] {
                wrong.push(format!("{} over {text}: {given:?}", example.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn planning_promises_the_type_that_execution_gives() {
    let context = context();
    for (_, example) in examples() {
        let frame = context.sql(&format!("SELECT {} AS v", example.sql)).await.expect(example.sql);
        let promised = frame.schema().field(0).data_type().clone();
        let batches = frame.collect().await.expect(example.sql);
        assert_eq!(*batches[0].column(0).data_type(), promised, "{}", example.sql);
    }
}

#[tokio::test]
async fn rows_of_one_column_are_each_read_on_their_own() {
    let context = context();
    let texts =
        StringArray::from(vec![Some("€1.234,56"), None, Some("nothing"), Some("(£5)"), Some("12,5 USD"), Some("")]);
    let paths = StringArray::from(vec![Some("$.a"), Some("$.a"), None, Some("$.["), Some("$.b"), Some("$.a")]);
    let json = StringArray::from(vec![r#"{"a":1,"b":"x"}"#; 6]);
    for text in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("money", cast(&texts, &text).expect("strings"), true),
            ("path", cast(&paths, &text).expect("strings"), true),
            ("json", cast(&json, &text).expect("strings"), true),
        ])
        .expect("columns of one length");
        drop(context.deregister_table("t").expect("a name"));
        context.register_batch("t", batch).expect("a table");
        for (sql, wanted) in [
            ("money_amount(money)", ["1234.5600", "NULL", "NULL", "-5.0000", "12.5000", "NULL"]),
            ("money_currency(money)", ["EUR", "NULL", "NULL", "GBP", "USD", "NULL"]),
            ("json_get_text(json, path)", ["1", "1", "NULL", "NULL", "x", "1"]),
            ("json_get_text(json, '$.b')", ["x"; 6]),
            ("is_blank(money)", ["false", "true", "false", "false", "false", "true"]),
            ("null_if_any(money, 'nothing', path)", ["€1.234,56", "NULL", "NULL", "(£5)", "12,5 USD", ""]),
        ] {
            let column = column_of(&context, &format!("SELECT {sql} FROM t")).await.expect(sql);
            let given: Vec<String> = (0..6).map(|row| shown(&column, row)).collect();
            assert_eq!(given, wanted, "{sql} over {text}");
        }
    }
}

#[tokio::test]
async fn fingerprints_tell_values_apart_but_not_the_width_of_types() {
    let context = context();
    for (sql, wanted) in [
        ("row_fingerprint(1, 'a') = row_fingerprint(CAST(1 AS SMALLINT), arrow_cast('a', 'LargeUtf8'))", "true"),
        ("row_fingerprint(NULL) = row_fingerprint('')", "false"),
        ("row_fingerprint('a', NULL) = row_fingerprint(NULL, 'a')", "false"),
        ("row_fingerprint(make_array(1, 2)) = row_fingerprint(make_array(1, 3))", "false"),
        // What is stored in a target today must compare equal to what a later version computes.
        ("row_fingerprint('ada', 36, DATE '2026-01-31')", "b82cd9ed7c988d0a6d4517ef077cbd31"),
        ("hash_bucket('customer-17', 100)", "52"),
    ] {
        let column = column_of(&context, &format!("SELECT {sql}")).await.expect(sql);
        assert_eq!(shown(&column, 0), wanted, "{sql}");
    }
}

#[tokio::test]
async fn a_dictionary_of_texts_is_text() {
    let context = context();
    let sql = "SELECT url_host(arrow_cast('https://example.org/a', 'Dictionary(Int32, Utf8)'))";
    assert_eq!(shown(&column_of(&context, sql).await.expect(sql), 0), "example.org");
}

#[tokio::test]
async fn what_can_never_be_right_is_refused_at_planning_with_the_remedy() {
    let context = context();
    for (sql, parts) in [
        ("money_amount()", ["money_amount(text Utf8 [, decimal_mark Utf8])", "0 arguments"]),
        ("money_amount('1', '.', '')", ["money_amount(text Utf8 [, decimal_mark Utf8])", "3 arguments"]),
        ("phone_e164(42)", ["`text` must be Utf8, but it is Int64", "CAST(… AS VARCHAR)"]),
        ("is_weekend('2026-01-31')", ["`date` must be Date32, but it is Utf8", "parse_date("]),
        ("geo_distance('1', 2, 3, 4)", ["`latitude_a` must be Float64", "TRY_CAST(… AS DOUBLE)"]),
        ("json_get('{}', 'user.name')", ["`user.name` is not a JSONPath", "write `$`"]),
        ("json_get('{}', '$.[')", ["path of json_get", "is not a JSONPath"]),
        ("parse_date('1', '%!')", ["`%!` is not a strftime format", "'%Y-%m-%d'"]),
        ("parse_timestamp('1', '%Y', 'Mars/Base')", ["`Mars/Base` is not an IANA time zone", "Europe/Berlin"]),
        ("parse_decimal('1', ';')", ["`;` is not a decimal mark", "'.' or ','"]),
        ("phone_e164('1', 'Germany')", ["`Germany` is not a region", "'DE'"]),
        ("ip_in_network('10.0.0.1', '10.0.0.0/99')", ["`10.0.0.0/99` is not a network", "10.0.0.0/8"]),
    ] {
        let error = context.sql(&format!("SELECT {sql}")).await.map(drop).expect_err(sql).strip_backtrace();
        for part in parts {
            assert!(error.contains(part), "{sql}: {error}");
        }
    }
}

#[tokio::test]
async fn odd_values_are_null_and_never_a_panic() {
    let pieces = [
        "",
        " ",
        "+",
        "-",
        "(",
        ")",
        ".",
        ",",
        "1",
        "00",
        "999",
        "€",
        "$",
        "kr",
        "@",
        "<",
        ">",
        "\"",
        "http://",
        "::",
        "/",
        "%",
        "é",
        "\u{301}",
        "\u{0}",
        "漢",
        "🦀",
        "{",
        "}",
        "[",
        "]",
        ":",
        "null",
        "1e999",
        "T",
        "Z",
        "PT",
        "h",
        "D",
        "\\",
        "ext",
        ";",
        "tel:",
        "0",
        "49",
        "99999999999999999999999999999999999999999",
        "#",
        "?",
        "&",
        "=",
        "٣",
    ];
    let mut random = Random::seeded("odd_values_are_null_and_never_a_panic");
    let texts: Vec<String> =
        (0..4_000).map(|_| (0..random.below(9)).map(|_| *random.pick(&pieces)).collect::<String>()).collect();
    let numbers: Vec<i64> = (0..texts.len())
        .map(|_| match random.below(5) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            _ => i64::try_from(random.below(1_000_000)).expect("small") - 500_000,
        })
        .collect();
    let context = context();
    let days = Arc::new(datafusion::arrow::array::Date32Array::from_iter_values(
        numbers.iter().map(|number| i32::try_from(*number).unwrap_or(if *number < 0 { i32::MIN } else { i32::MAX })),
    ));
    let floats = datafusion::arrow::array::Float64Array::from_iter_values(
        numbers.iter().map(|number| if *number == i64::MAX { f64::NAN } else { *number as f64 / 2_500.0 }),
    );
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("t", Arc::new(StringArray::from(texts)) as ArrayRef, true),
        ("n", Arc::new(datafusion::arrow::array::Int64Array::from(numbers)) as ArrayRef, true),
        ("d", days as ArrayRef, true),
        ("f", Arc::new(floats) as ArrayRef, true),
    ])
    .expect("columns of one length");
    context.register_batch("odd", batch).expect("a table");
    for function in functions::all() {
        let least = function.least_arguments();
        for count in least..=function.parameters.len() {
            let arguments: Vec<&str> = function.parameters[..count]
                .iter()
                .map(|parameter| match parameter.kind {
                    functions::Type::Integer => "n",
                    functions::Type::Number => "f",
                    functions::Type::Date => "d",
                    _ => "t",
                })
                .collect();
            let sql = format!("SELECT {}({}) FROM odd", function.name, arguments.join(", "));
            let column = column_of(&context, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(column.len(), 4_000, "{sql}");
            assert_eq!(*column.data_type(), function.returns.data_type(), "{sql}");
        }
    }
}

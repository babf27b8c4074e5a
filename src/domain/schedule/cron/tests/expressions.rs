//! What is an expression, and which sets of numbers it stands for.

use rstest::rstest;

use super::super::bits::Bits;
use super::super::parse::fields;

fn numbers(set: Bits) -> Vec<i64> {
    (0..64).filter(|number| set.has(*number)).collect()
}

#[rstest]
#[case("5", &[5])]
#[case("00", &[0])]
#[case("50-53", &[50, 51, 52, 53])]
#[case("*/20", &[0, 20, 40])]
#[case("10-50/20", &[10, 30, 50])]
#[case("5/25", &[5, 30, 55])]
#[case("59/1", &[59])]
#[case("7,3,7,1-2", &[1, 2, 3, 7])]
#[case("*/75", &[0])]
fn a_field_is_a_list_of_numbers_ranges_and_steps(#[case] field: &str, #[case] expected: &[i64]) {
    let fields = fields(&format!("{field} * * * *")).unwrap();
    assert_eq!(numbers(fields.minutes), expected);
}

#[rstest]
#[case("0", &[0])]
#[case("7", &[0])]
#[case("sUn", &[0])]
#[case("Fri-SUN", &[0, 5, 6])]
#[case("5-7", &[0, 5, 6])]
#[case("sun-sun", &[0])]
#[case("SUN-tue", &[0, 1, 2])]
#[case("0-7", &[0, 1, 2, 3, 4, 5, 6])]
#[case("Mon/2", &[1, 3, 5])]
#[case("*/3", &[0, 3, 6])]
#[case("?", &[0, 1, 2, 3, 4, 5, 6])]
fn sunday_has_two_numbers_and_may_end_a_range(#[case] field: &str, #[case] expected: &[i64]) {
    let fields = fields(&format!("0 0 * * {field}")).unwrap();
    assert_eq!(numbers(fields.weekdays), expected);
}

#[rstest]
#[case("0 0 ? JAN,jul-Sep,11/1 *", &[1, 7, 8, 9, 11, 12])]
#[case("@yearly", &[1])]
#[case("@annually", &[1])]
#[case("@monthly", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])]
fn months_have_names(#[case] expression: &str, #[case] expected: &[i64]) {
    assert_eq!(numbers(fields(expression).unwrap().months), expected);
}

/// As in robfig/cron: a step makes a field one that is not left open, and an open field among others leaves all of it open.
#[rstest]
#[case("0 0 13 * 5", true)]
#[case("0 0 */2 * 1", true)]
#[case("0 0 1-31 * 1", true)]
#[case("0 0 13 * */2", true)]
#[case("0 0 * * 5", false)]
#[case("0 0 ? * 5", false)]
#[case("0 0 */1 * 5", false)]
#[case("0 0 *,3 * 5", false)]
#[case("0 0 13 * *", false)]
#[case("@weekly", false)]
fn either_of_two_days_is_enough_where_none_is_left_open(#[case] expression: &str, #[case] expected: bool) {
    assert_eq!(fields(expression).unwrap().either_day, expected);
}

#[rstest]
#[case("")]
#[case("* * * *")]
#[case("0 0 1 * * *")]
#[case("0 0 1 1 * 2026")]
#[case("60 * * * *")]
#[case("* 24 * * *")]
#[case("* * 0 * *")]
#[case("* * 32 * *")]
#[case("* * * 0 *")]
#[case("* * * 13 *")]
#[case("* * * * 8")]
#[case("? * * * *")]
#[case("* * * ? *")]
#[case("5-1 * * * *")]
#[case("* * * * 5-0")]
#[case("* * * * 7/2")]
#[case("1-2-3 * * * *")]
#[case("*-5 * * * *")]
#[case("*/0 * * * *")]
#[case("*/ * * * *")]
#[case("/5 * * * *")]
#[case("1/2/3 * * * *")]
#[case("1,,2 * * * *")]
#[case(", * * * *")]
#[case("+5 * * * *")]
#[case("-5 * * * *")]
#[case("*/99999999999999999999 * * * *")]
#[case("٥ * * * *")]
#[case("MON * * * *")]
#[case("* * * MON *")]
#[case("* * * * JAN")]
#[case("* * * * Monday")]
#[case("* * L * *")]
#[case("* * 15W * *")]
#[case("* * * * 5L")]
#[case("* * * * SUN#1")]
#[case("* * * * +1")]
#[case("@every 1h")]
#[case("@reboot")]
#[case("@Daily")]
#[case("@")]
fn anything_else_is_refused(#[case] expression: &str) {
    assert_eq!(fields(expression), None);
}

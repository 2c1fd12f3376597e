"""Cron: what crontab(5) refuses, or what can never fire, is refused with a sentence that says which field and why."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def cron(expression: str, **more: object) -> Trigger:
    return parse_trigger({"type": "cron", "expression": expression, **more}, now=NOW)


# What every field refuses; {low} and {high} are just outside of its range.
BAD_ITEMS = [
    *("{low}", "{high}", "99", "1000", "99999999999999999999", "-1", "+1", "1.5", "1e1", "0x1", "1_0"),
    *("/", "/5", "*/", "*/0", "*/00", "*/-1", "*/x", "*/1.5", "*/*", "*/2/3", "*/5-10", "5/2", "5/", "5//2"),
    *("-", "5-", "-5", "5--6", "5-6-7", "6-5", "*-5", "5-*", "5-{high}", "5-6/0", "5-6/", "5-6/x"),
    *(",", "5,", ",5", "5,,6", "*,", ",*", "**", "*5", "5*", "*/5*", "?", "x", "foo", "%", "!", "5!", "[5]", "(5)"),
    *("5;6", "5:6", "5|6", "5&6", "$5", "`5`", "'5'", '"5"', "\\5", "~", "H", "5~9", "@daily", "{{5}}", "=5", "<5"),
    *(
        "٥",
        "५",
        "５",
        "²",
        "Ⅴ",
        "ⅴ",
        "5\u200b",
        "5\ufeff",
        "*\u0000",
        "5\x1b",
        "\ud800",
        "é",
        "😀",
        "ſ",
        "ı",
        "∗",
        "－1",
    ),
    *("lw5", "L5L", "#", "5#", "#5", "##", "W", "5W", "LL", "WL", "NaN", "inf", "None", "true", "monday", "january"),
]
BOUNDS = {"minute": (-1, 60), "hour": (-1, 24), "day": (0, 32), "month": (0, 13), "weekday": (-1, 8)}
BAD_FIELDS = [
    " ".join(item.format(low=BOUNDS[kind][0], high=BOUNDS[kind][1]) if at == place else "*" for at in range(5))
    for place, kind in enumerate(BOUNDS)
    for item in BAD_ITEMS
]
BAD_EXPRESSIONS = [
    *BAD_FIELDS,
    # the number of fields
    *("", " ", "\t", "*", "* *", "* * *", "* * * *", "* * * * * *", "* * * * * * *", "*****", "5"),
    # blanks that are none in a crontab
    *(f"*{blank}* * * *" for blank in "\n\r\v\f\x1c\x85\xa0\u2003\u2028\u3000\u200b"),
    *("* * * * *\n", "\n* * * * *", "* * * * *\r\n", "* * * * *\x00", "\ufeff* * * * *", "0 0 * * * # nightly"),
    # macros
    *("@", "@reboot", "@Reboot", "@every 5m", "@dail", "@daily 5", "@ daily", "@@daily", "@yearly @daily", "0 @daily"),
    *("@hourly\n", "@weekday", "daily", "midnight", "@\u0131annually"),
    # what can never fire
    *("0 0 30 2 *", "0 0 31 2 *", "0 0 30,31 2 *", "0 0 31 4 *", "0 0 31 4,6 *", "0 0 31 2,4,6,9,11 *"),
    *("0 0 31 feb-feb */2", "0 0 30 FEB *", "0 0 30-31/1 2 *", "* * 31 11 *", "0 0 31 9 */3", "0 0 */30 2 1#5"),
    # letters where they mean nothing
    *("L * * * *", "* L * * *", "* * * L *", "* * * * L", "* * L/2 * *", "* * L-3 * *", "* * LW/2 * *", "* * 5L * *"),
    *("* * * * 5#0", "* * * * 5#6", "* * * * 8#1", "* * * * 5#1/2", "* * * * 8L", "* * * * 5#1#2", "* * * * *#2"),
    *(
        "* * * * fri/2",
        "* * * jan/2 *",
        "* * * * sat-sun",
        "* * * dec-jan *",
        "* * * * LW",
        "* * * * friL",
        "* mon * * *",
    ),
    # length
    *("* * * * " + "1," * 200 + "1", " " * 300, "*" * 257, "0" * 257 + " * * * *", "1" * 100_000),
]


@pytest.mark.parametrize("expression", BAD_EXPRESSIONS, ids=ascii)
def test_what_crontab_refuses_is_refused_with_a_sentence(expression: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        cron(expression)
    (fault,) = refusal.value.faults
    assert fault.pointer == "/expression"
    assert fault.detail.endswith((".", "?")) and fault.detail.isascii() and fault.detail.isprintable()
    assert len(fault.detail) < 400


def test_there_are_enough_bad_ones() -> None:
    assert len(set(BAD_EXPRESSIONS)) >= 450


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        # which field, what was got, what is allowed
        ("61 * * * *", "The minute field has '61'; allowed is 0 to 59."),
        (
            "* * * * fry",
            "The day-of-week field has 'fry'; allowed is 0 to 7 or sun, mon, tue, wed, thu, fri, sat; did you",
        ),
        ("* 5-3 * * *", "The hour field has '5-3'; a range runs from the smaller to the larger value."),
        ("* * 1,,2 * *", "The day-of-month field '1,,2' has an empty item; write one between all commas."),
        ("5/10 * * * *", "a step follows '*' or a range, as in '*/5' or '10-50/5'"),
        ("* * * *", "has 4 fields, wanted are 5: minute hour day-of-month month day-of-week."),
        ("* * * * * *", 'has six fields; say "seconds": true'),
        ("@reboot", "this service has no boot"),
        ("@dayly", "did you mean '@daily'?"),
        ("0 0 30 2 *", "can never fire: no date has day-of-month '30', month '2'."),
    ],
)
def test_the_sentence_says_which_field_and_why(expression: str, said: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        cron(expression)
    assert said in refusal.value.detail


@pytest.mark.parametrize("expression", [None, 5, 5.0, True, [], {}, ["* * * * *"], {"minute": 5}, b"* * * * *"])
def test_an_expression_that_is_no_string_is_refused(expression: object) -> None:
    with pytest.raises(InvalidTrigger):
        parse_trigger({"type": "cron", "expression": expression}, now=NOW)


@pytest.mark.parametrize("expression", ["* * * * *", "@daily", "* * * * * * *", "60 * * * * *", "*/0 * * * * *"])
def test_with_seconds_exactly_six_fields_are_wanted(expression: str) -> None:
    with pytest.raises(InvalidTrigger):
        cron(expression, seconds=True)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet=string.digits + "*/,-# LWmonjan@", max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        trigger = cron(text)
    except InvalidTrigger:
        return
    assert trigger.after(NOW) is not None
    assert trigger.describe()
    assert isinstance(trigger.warnings(), list)

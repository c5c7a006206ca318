"""The files of custom.directory, whatever they are and hold."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nodnod_agent.collectors.custom import MAX_JSON, CustomCollector
from nodnod_client.codec import encode
from nodnod_client.sections import Custom, CustomFamily, CustomFile, CustomNumber

NOW = 1.7e9
MAX_AGE = 600.0


def write(path: Path, content: str | bytes, *, age: float = 0.0) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (NOW - age, NOW - age))


def collector(directory: Path) -> CustomCollector:
    return CustomCollector(str(directory), MAX_AGE, wall=lambda: NOW)


def section(directory: Path) -> Custom:
    found = collector(directory).read(0.0)
    assert found is not None
    return found


def only(directory: Path, name: str, content: str | bytes) -> Custom:
    """The section where this is the only file."""
    write(directory / name, content)
    return section(directory)


def numbers(custom: Custom, file: str = "") -> dict[str, float]:
    """The numbers of a file, or all."""
    return {one.name: one.value for one in custom.numbers if one.file == (file or one.file)}


def errors(custom: Custom) -> dict[str, str]:
    return {one.name: one.error for one in custom.files if isinstance(one.error, str)}


def test_a_prom_and_a_json_file_are_rows_by_name(tmp_path: Path) -> None:
    write(tmp_path / "queue.prom", '# TYPE queue gauge\nqueue{kind="mail"} 3\nqueue 0.5 1700\n')
    write(tmp_path / "backup.json", '{"backup_age_seconds": 12, "backup_delta": -2.5}', age=5)
    write(tmp_path / "notes.txt", "x")
    write(tmp_path / ".new.prom", "half")

    assert section(tmp_path) == Custom(
        [
            CustomFile("backup.json", NOW - 5, stale=False),
            CustomFile("queue.prom", NOW, stale=False),
        ],
        [
            CustomNumber("backup.json", "backup_age_seconds", 12.0),
            CustomNumber("backup.json", "backup_delta", -2.5),
            CustomNumber("queue.prom", "queue", 3.0, {"kind": "mail"}),
            CustomNumber("queue.prom", "queue", 0.5),
        ],
        [CustomFamily("queue.prom", "queue", "gauge")],
    )


def test_no_directory_is_no_section_and_a_missing_one_an_error(tmp_path: Path) -> None:
    assert CustomCollector().read(0.0) is None
    with pytest.raises(FileNotFoundError):
        section(tmp_path / "missing")


def test_a_histogram_keeps_its_series_and_a_counter_ends_in_total(tmp_path: Path) -> None:
    text = '# TYPE d histogram\nd_bucket{le="+Inf"} 2\nd_sum 4\nd_count 2\n# TYPE c counter\nc 1\n'
    assert numbers(only(tmp_path, "a.prom", text)) == {
        "d_bucket": 2,
        "d_sum": 4,
        "d_count": 2,
        "c_total": 1,
    }


def test_type_and_help_of_a_family_are_kept(tmp_path: Path) -> None:
    text = """# HELP jobs Done \\n so far.
# TYPE jobs counter
jobs{queue="mail"} 1
# TYPE took histogram
took_bucket{le="+Inf"} 1
took_sum 2
took_count 1
# HELP plain Only help.
plain 1
# TYPE empty gauge
# TYPE odd info
odd 1
"""
    found = only(tmp_path, "a.prom", text)
    assert found.families == [
        CustomFamily("a.prom", "jobs_total", "counter", "Done \n so far."),
        CustomFamily("a.prom", "took", "histogram"),
        CustomFamily("a.prom", "plain", help="Only help."),
    ]
    assert len(found.numbers) == 6


def test_a_family_with_two_types_has_the_first_and_a_long_help_is_cut(tmp_path: Path) -> None:
    text = f"# HELP a {'x' * 900}\n# TYPE a gauge\na 1\nb 1\n"
    found = only(tmp_path, "a.prom", text + "# TYPE a summary\na_sum 2\n")
    kinds = [(one.name, one.type, len(one.help)) for one in found.families]
    assert kinds == [("a", "gauge", 300)]
    assert errors(found) == {"a.prom": "a has two types; the first counts"}


@pytest.mark.parametrize(("age", "stale"), [(600, False), (601, True), (-601, True)])
def test_a_file_is_stale_when_its_last_change_is_too_far_from_now(
    tmp_path: Path, age: float, stale: bool
) -> None:
    write(tmp_path / "a.json", '{"a": 1}', age=age)
    found = section(tmp_path)
    assert (found.files[0].stale, numbers(found)) == (stale, {"a": 1})


@pytest.mark.parametrize(
    ("name", "content", "kept", "error"),
    [
        ("a.prom", "a 1\nb{\nc 3\n", {"a": 1}, "line 2 is not in Prometheus' text format"),
        ("a.prom", "a 1\n{\nc 3\n", {"a": 1}, "line 2 is not in Prometheus' text format"),
        ("a.prom", "a 1\nb 2", {"a": 1}, "the last line has no end; is the file still being"),
        ("a.prom", "a 1\na 2\n", {"a": 1}, "a is there twice with the same labels; the first"),
        ("a.prom", 'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', {"a": 1}, "a is there twice with the"),
        ("a.prom", "a NaN\nb 2\n", {"b": 2}, "a is no finite number"),
        ("a.prom", f"a 1\nb {'9' * 400}\n", {"a": 1}, "b is no finite number"),
        ("a.prom", "a +Inf\nb -Inf\nc 1\n", {"c": 1}, "a is no finite number (and 1 more fault"),
        ("a.prom", 'a{"x.y"="z"} 1\nb 2\n', {"b": 2}, "a: a label has a name that Prometheus does"),
        ("a.prom", '{"a.b"} 1\nb 2\n', {"b": 2}, "a name has other characters than letters"),
        ("a.prom", "nodnod_up 1\nb 2\n", {"b": 2}, "nodnod_up: names that begin with nodnod_ or"),
        ("a.prom", f"a 1\nb {'x' * 1000}\n", {"a": 1}, "line 2 has more than 1000 characters"),
        ("a.prom", b"a 1\nb\xff 2\n", {}, "not UTF-8 text"),
        ("a.json", '{"a": 1, "a": 2}', {"a": 1}, "a is there twice with the same labels"),
        ("a.json", '{"a": NaN, "b": 2}', {"b": 2}, "a is no finite number"),
        ("a.json", '{"a": 1e999, "b": 2}', {"b": 2}, "a is no finite number"),
        ("a.json", f'{{"a": {"9" * 400}, "b": 2}}', {"b": 2}, "a is no finite number"),
        ("a.json", f'{{"a": {"9" * 5000}}}', {}, "not JSON that can be read"),
        ("a.json", '{"a": true, "b": 2}', {"b": 2}, "a is no finite number"),
        ("a.json", '{"a": {"x": 1}, "b": 2}', {"b": 2}, "a is no finite number"),
        ("a.json", '{"<b>": 1, "b": 2}', {"b": 2}, "a name has other characters than letters"),
        ("a.json", "[1]", {}, "not a JSON object of numbers by name"),
        ("a.json", '{"a": 1', {}, "not JSON: line 1, column 8"),
        ("a.json", "", {}, "not JSON: line 1, column 1"),
        ("a.json", "[" * 100_000, {}, "not JSON that can be read"),
        ("a.json", b"\xff", {}, "not UTF-8 text"),
    ],
)
def test_what_is_wrong_in_a_file_is_its_error_and_the_rest_is_kept(
    tmp_path: Path, name: str, content: str | bytes, kept: dict[str, float], error: str
) -> None:
    found = only(tmp_path, name, content)
    assert numbers(found) == kept
    assert errors(found)[name].startswith(error)


@pytest.mark.parametrize("name", ["a.prom", "a.json"])
def test_an_error_quotes_nothing_of_a_file_that_is_another(tmp_path: Path, name: str) -> None:
    found = only(tmp_path, name, "root:$6$secret:19000:0:99999:7:::\n")
    assert "secret" not in errors(found)[name]


def test_a_broken_file_leaves_the_others(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "{")
    write(tmp_path / "b.json", '{"b": 2}')
    found = section(tmp_path)
    assert numbers(found) == {"b": 2}
    assert list(errors(found)) == ["a.json"]


def test_what_is_no_regular_file_is_an_error_and_never_opened(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    write(outside, '{"secret": 1}')
    inside = tmp_path / "directory"
    inside.mkdir()
    os.mkfifo(inside / "fifo.prom")
    (inside / "folder.json").mkdir()
    (inside / "link.json").symlink_to(outside)

    assert section(inside).numbers == []
    assert errors(section(inside)) == {
        "fifo.prom": "not a regular file",
        "folder.json": "not a regular file",
        "link.json": "a symbolic link, which is not followed",
    }


def test_a_file_that_may_not_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.json", "{}")
    real = os.open

    def refusing(path: str, flags: int, **fields: Any) -> int:
        if path == "a.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, flags, **fields)

    monkeypatch.setattr(os, "open", refusing)
    assert errors(section(tmp_path)) == {"a.json": "Permission denied"}


def test_a_name_that_is_not_utf_8_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(b"{}")
    assert [one.name for one in section(tmp_path).files] == ["\ufffd.json"]


def test_a_large_file_is_an_error_and_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a.prom", "a 1\n" * 2_500_000)
    write(tmp_path / "b.prom", "b 1\n")
    found = section(tmp_path)
    assert numbers(found) == {"b": 1}
    assert errors(found) == {"a.prom": "not read: it has more than 1024 KiB"}


def test_the_files_together_have_a_limit(tmp_path: Path) -> None:
    write(tmp_path / "a.prom", "a 1\n" + "#\n" * 400_000)
    write(tmp_path / "b.prom", "b 1\n" + "#\n" * 400_000)
    write(tmp_path / "c.prom", "c 1\n")
    found = section(tmp_path)
    assert numbers(found) == {"a": 1, "c": 1}
    assert errors(found) == {
        "b.prom": "not read: with those before it there are more than 1024 KiB"
    }


@pytest.mark.parametrize("name", ["a.prom", "a.json"])
def test_two_thousand_numbers_are_kept_of_all_files_together(tmp_path: Path, name: str) -> None:
    many = {f"a{number}": number for number in range(2500)}
    prom = "".join(f"{one} {value}\n" for one, value in many.items())
    write(tmp_path / name, prom if name.endswith("prom") else json.dumps(many))
    write(tmp_path / "b.json", '{"b": 1}')
    found = section(tmp_path)
    assert len(numbers(found, name)) == len(found.numbers) == 2000
    why = "more than 2000 numbers; the rest is left out"
    assert errors(found) == {name: why, "b.json": why}


def test_the_section_stays_well_below_what_a_client_may_leave_unread(tmp_path: Path) -> None:
    lines = (f'a{{name="{"x" * 300}{number}"}} 1\n' for number in range(2000))
    found = only(tmp_path, "a.prom", "".join(lines))
    assert 0.9 * MAX_JSON < len(encode(found)) < MAX_JSON + 300
    assert errors(found) == {"a.prom": "more than 256 KiB as JSON; the rest is left out"}


def test_a_number_of_two_files_is_that_of_the_first(tmp_path: Path) -> None:
    write(tmp_path / "a.json", '{"x": 1}')
    write(tmp_path / "b.prom", 'x 2\nx{of="b"} 3\n')
    found = section(tmp_path)
    assert found.numbers == [
        CustomNumber("a.json", "x", 1),
        CustomNumber("b.prom", "x", 3, {"of": "b"}),
    ]
    assert errors(found) == {"b.prom": "x is in a file before this one, too; that one counts"}


def test_too_many_files_are_told_in_one_row(tmp_path: Path) -> None:
    for number in range(300):
        write(tmp_path / f"{number:03}.json", "{}")
    found = section(tmp_path)
    assert len(found.files) == 257
    why = "this file and all that follow, 44, are not read: at most 256 are"
    assert errors(found) == {"256.json": why}


def test_a_file_is_parsed_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.json", '{"a": 1}')
    write(tmp_path / "b.json", '{"b": 1}')
    here = collector(tmp_path)
    before = here.read(0.0)
    opened: list[str] = []
    real = os.open

    def watched(path: str, flags: int, **fields: Any) -> int:
        opened.append(path)
        return real(path, flags, **fields)

    monkeypatch.setattr(os, "open", watched)
    assert here.read(1.0) == before
    assert opened == [str(tmp_path)]
    write(tmp_path / "b.json", '{"b": 22}')
    (tmp_path / "a.json").unlink()

    changed = here.read(2.0)

    assert changed is not None
    assert numbers(changed) == {"b": 22}
    assert opened[2:] == ["b.json"]

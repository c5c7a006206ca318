"""Answers as JSON and CSV."""

import csv
import io
import json

from nodnod_agent.console.formats import CSV_HEADER, as_csv, as_json
from nodnod_client.messages import Answer, NodeStats

KYLE = NodeStats(name="kyle", cpu_used=5.5, disk_total=10, disk_used=4, disk_used_percent=40.0)
ODD = NodeStats(name='a,"b"', error="no\nanswer, \x1b[31mreally", detail={"load": None})
ANSWER = Answer(host="stan", nodes={"kyle": KYLE, 'a,"b"': ODD}, id=7, seq=3)


def test_json_is_the_answer_as_on_the_wire_without_its_id() -> None:
    document = json.loads(as_json(ANSWER))
    assert list(document) == ["host", "nodes", "error"]
    assert (document["host"], document["error"]) == ("stan", "")
    assert document["nodes"]["kyle"]["diskUsedPercent"] == 40.0
    assert document["nodes"]['a,"b"']["detail"] == {"load": None}


def test_json_is_one_line_unless_indented() -> None:
    assert "\n" not in as_json(ANSWER)
    assert as_json(ANSWER, indent=2).startswith('{\n  "host": "stan",')


def test_the_csv_header_is_stable() -> None:
    (header,) = as_csv(Answer(), "", header=True).splitlines()
    assert header == (
        "time,host,name,cpuUsed,memoryUsed,memoryTotal,memoryUsedPercent,"
        "diskUsed,diskTotal,diskUsedPercent,error"
    )


def test_csv_can_be_parsed_whatever_the_names_are() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(ANSWER, "now", header=False))))
    odd, kyle = (dict(zip(CSV_HEADER, row, strict=True)) for row in rows)
    assert (odd["name"], odd["error"]) == ('a,"b"', "no answer, \ufffd[31mreally")
    fields = ("time", "host", "cpuUsed", "diskTotal")
    assert [kyle[field] for field in fields] == ["now", "stan", "5.5", "10"]

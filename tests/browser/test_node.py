"""The view of one node: its detail, missing sections, and charts."""

import re
import time

import pytest

from browser.chromium import Page, expect
from browser.simulated import SimulatedCluster
from eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


def details(cluster: SimulatedCluster) -> list[list[str]]:
    """The nodes of the running detail streams."""
    return [request["nodes"] for request in cluster.streams.values() if "detail" in request]


async def test_the_detail_is_streamed_only_while_it_is_shown(page: Page) -> None:
    async with SimulatedCluster(["a", "b", "c"]) as cluster:
        await page.goto(cluster.url)
        await expect(page.locator("[data-node]")).to_have_count(3)
        assert details(cluster) == []

        await page.get_by_role("link", name="b", exact=True).click()
        await eventually(lambda: details(cluster) == [["b"]])
        await page.goto(f"{cluster.url}#/node/c")
        await eventually(lambda: details(cluster) == [["c"]])
        await page.get_by_role("link", name="All nodes").click()
        await eventually(lambda: details(cluster) == [])


async def test_a_hostile_process_name_is_text(page: Page) -> None:
    name = "<b onmouseover=alert(1)>rm</b>"
    async with SimulatedCluster(["a"]) as cluster:
        row = {"pid": 1, "name": name, "user": "<i>root", "cpu": 250.0, "rss": 2**20}
        row |= {"state": "<u>", "threads": 3, "readBytes": None, "writeBytes": 2048.0}
        cluster.nodes["a"].detail["processes"] = {"count": 1, "byCpu": [row], "byMemory": [row]}

        await page.goto(f"{cluster.url}#/node/a")

        cells = page.locator("[data-section=processes] tbody td")
        numbers = ["250.0\u00a0%", "1.00\u00a0MiB", "\u2013", "2.00\u00a0KiB/s", "3"]
        await expect(cells).to_have_text([name, "1", "<i>root", *numbers, "<u>", "\u2013"])


async def test_processes_are_found_by_name_and_shown_with_their_sums(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:

        def matches() -> list[object]:
            return [one.get("match") for one in cluster.streams.values() if "detail" in one]

        await page.goto(f"{cluster.url}#/node/a")
        panel = page.locator("[data-section=processes]")
        search = panel.get_by_role("searchbox")
        await search.fill("postgres")
        await eventually(lambda: matches() == ["*postgres*"])
        row = {"pid": 7, "name": "postgres", "user": "pg", "cpu": 12.0, "rss": 2**20}
        sums = {"count": 3, "cpu": 34.0, "rss": 3 * 2**20, "threads": 9}
        none = {"readBytes": None, "writeBytes": 0}
        found = {"count": 99, "byCpu": [], "matching": [row], "sums": sums | none}
        cluster.nodes["a"].detail["processes"] = found

        text = "3 found (1 are shown): CPU 34.0\u00a0%, memory 3.00\u00a0MiB, threads 9"
        await expect(panel.locator(".above .note")).to_contain_text(text)
        await expect(panel.locator("tbody tr")).to_have_count(1)

        cluster.nodes["a"].detail["processes"] = {"error": "more than 16 different `match`"}
        await expect(panel.locator(".fault")).to_contain_text("more than 16")
        await search.fill("")
        await eventually(lambda: matches() == [None])
        await page.get_by_role("link", name="All nodes").click()
        await eventually(lambda: matches() == [])


async def test_a_failed_section_shows_its_error_beside_the_other_sections(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["network"] = {"error": "PermissionError: <denied>"}

        await page.goto(f"{cluster.url}#/node/a")

        fault = page.locator("[data-section=network] .fault")
        await expect(fault).to_have_text("▲ Could not be read: PermissionError: <denied>")
        await expect(page.locator("[data-section=memory] li")).to_have_count(5)


async def test_a_section_that_is_something_else_spoils_no_other(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= {
            "processes": {"count": 1, "byCpu": [None], "sums": 5},
            "services": 5,
            "containers": {"count": 1},
            "custom": {"files": 1, "numbers": "x"},
        }

        await page.goto(f"{cluster.url}#/node/a")

        for section in ("services", "containers", "custom"):
            fault = page.locator(f"[data-section={section}] .fault").first
            await expect(fault).to_contain_text("the agent of this node sends something else")
        await expect(page.locator("[data-section=memory] li")).to_have_count(5)


async def test_missing_sections_are_named_in_one_line(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail |= {"sensors": None, "pressure": None}

        await page.goto(f"{cluster.url}#/node/a")

        lacking = page.locator(".missing")
        await expect(lacking).to_have_text(
            "Not on this machine: Pressure, Sensors, GPUs, Containers."
        )
        await expect(page.locator("[data-section=sensors]")).not_to_be_attached()


async def test_a_core_has_its_own_number_beside_those_that_are_offline(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        shares = dict.fromkeys(("used", "user", "system", "iowait", "steal", "frequency"), 1.0)
        cores = [10.0, None, None, None, 20.0, None]
        cluster.nodes["a"].detail["cpu"] = {**shares, "cores": cores}

        await page.goto(f"{cluster.url}#/node/a")

        rows = page.locator("[data-section=cpu] li")
        await expect(rows).to_have_text(["0 10\u00a0%", "4 20\u00a0%"])


async def test_a_lost_gpu_shows_its_error_at_its_place(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        unknown = dict.fromkeys(
            ("utilisation", "memoryTotal", "memoryUsed", "temperature", "power")
        )
        cluster.nodes["a"].detail["gpu"] = [
            {"name": "Tesla", **unknown},
            {"name": "", **unknown, "error": "GPU is lost"},
        ]

        await page.goto(f"{cluster.url}#/node/a")

        rows = page.locator("[data-section=gpu] tbody tr")
        unknowns = 4 * "\u2013"
        await expect(rows).to_have_text([f"Tesla{unknowns}", f"GPU 1▲ GPU is lost{unknowns}"])


async def test_hostile_containers_are_text_and_the_note_says_what_is_missing(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>"
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["containers"] = {
            "count": 3,
            "containers": [
                {"id": "a" * 64, "name": name, "engine": "docker", "state": "<b>", "cpu": 12.5,
                 "health": "unhealthy", "memoryUsed": 2**20, "memoryLimit": 2**21},
                {"id": "b" * 64, "name": "", "engine": "podman"},
            ],
            "note": "<i>: permission denied",
        }  # fmt: skip

        await page.goto(f"{cluster.url}#/node/a")

        rows = page.locator("[data-section=containers] tbody tr")
        await expect(rows).to_contain_text([f"{name}▲ <b>, unhealthy12.5\u00a0%", "b" * 12])
        note = page.locator("[data-section=containers] .note:visible")
        await expect(note).to_contain_text(
            "3 in all; CPU in percent of all cores. ▲ <i>: permission"
        )


async def test_services_in_trouble_are_shown_with_their_last_end(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        problem = {"name": "<b>x.service", "state": "failed", "since": 1.7e9, "result": "signal",
                   "restarts": 4, "exitStatus": None, "signal": 9}  # fmt: skip
        gone = dict.fromkeys(("since", "restarts", "exitStatus", "signal"))
        gone |= {"name": "y.service", "state": "failed", "result": "", "error": "no such unit"}
        use = {"name": "db.service", "cpu": None, "memory": 2**20}
        cluster.nodes["a"].detail["services"] = {
            "count": 90, "failed": 2, "problems": [problem, gone], "byCpu": [use], "byMemory": [],
        }  # fmt: skip

        await page.goto(f"{cluster.url}#/node/a")

        cells = page.locator("[data-section=services] tbody td")
        first = ["<b>x.servicesignal (signal 9)", "▲ failed", re.compile("14 Nov 2023"), "4"]
        second = ["y.service▲ no such unit", "▲ failed", "\u2013", "\u2013"]
        await expect(cells).to_have_text([*first, *second, "db.service", "\u2013", "1.00\u00a0MiB"])


async def test_services_without_systemd_s_answer_keep_their_numbers(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        use = {"name": "db.service", "cpu": 2.5, "memory": 2**20}
        cluster.nodes["a"].detail["services"] = {
            "count": None, "failed": None, "problems": [], "byCpu": [use], "byMemory": [use],
            "error": "systemd: <b>silent",
        }  # fmt: skip

        await page.goto(f"{cluster.url}#/node/a")

        faults = page.locator("[data-section=services] .fault:visible")
        await expect(faults).to_have_text(["▲ Could not be read in full: systemd: <b>silent"])
        cells = page.locator("[data-section=services] tbody td:visible")
        await expect(cells).to_have_text(["db.service", "2.5\u00a0%", "1.00\u00a0MiB"])


async def test_custom_numbers_are_text_with_what_is_wrong_beside_them(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].detail["custom"] = {
            "files": [
                {"name": "a.prom", "modified": 1.7e9, "stale": False, "error": "line 3 is <b>"},
                {"name": "b.json", "modified": 1.7e9, "stale": True},
            ],
            "numbers": [
                {"file": "a.prom", "name": "jobs", "value": 12.5, "labels": {"queue": "<b>"}},
                {"file": "b.json", "name": "age", "value": 1e300},
            ],
        }

        await page.goto(f"{cluster.url}#/node/a")

        rows = page.locator("[data-section=custom] tbody tr")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(0)).to_have_text("a.prom▲ line 3 is <b>\u2013a.prom")
        await expect(rows.nth(1)).to_have_text("jobs (queue=<b>)12.5a.prom")
        await expect(rows.nth(2)).to_contain_text("age▲ stale: written 14 Nov 2023")


async def test_the_chart_of_the_disks_shows_what_the_node_remembers(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")

        line = page.locator(".chart", has_text="Disk I/O").locator(".line.first")
        await expect(line).to_have_attribute("d", re.compile("^M0 .*L299 "))


async def test_of_many_custom_numbers_some_are_shown_and_the_rest_counted(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        numbers = [{"file": "a", "name": f"n{number}", "value": 1} for number in range(300)]
        cluster.nodes["a"].detail["custom"] = {"files": [], "numbers": numbers}

        await page.goto(f"{cluster.url}#/node/a")

        rows = page.locator("[data-section=custom] tbody tr")
        await expect(rows).to_have_count(200)
        panel = page.locator("[data-section=custom]")
        await expect(panel.get_by_text("and 100 more")).to_be_visible()


async def test_a_mount_that_does_not_answer_shows_since_when(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        mount = {
            "mount": "/mnt/nfs", "device": "nas:/x", "type": "nfs4", "total": 100, "used": 60,
            "free": 40, "inodesUsedPercent": None, "counted": False, "stuckSince": 1.7e9,
        }  # fmt: skip
        cluster.nodes["a"].detail["filesystems"] = [mount]

        await page.goto(f"{cluster.url}#/node/a")

        row = page.locator("[data-section=filesystems] tbody tr")
        await expect(row).to_contain_text("▲ no answer since 14 Nov 2023")
        await expect(row).to_contain_text("60.0\u00a0%")


async def test_a_mount_that_is_measured_once_shows_when(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        mount = {
            "mount": "/net/nas", "device": "nas:/x", "type": "nfs4", "total": 100, "used": 60,
            "free": 40, "inodesUsedPercent": None, "counted": False, "measuredAt": 1.7e9,
        }  # fmt: skip
        cluster.nodes["a"].detail["filesystems"] = [mount]

        await page.goto(f"{cluster.url}#/node/a")

        row = page.locator("[data-section=filesystems] tbody tr")
        await expect(row).to_contain_text("not counted, as of 14 Nov 2023")


async def test_the_use_of_a_filesystem_is_that_of_df(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        mount = {
            "mount": "/", "device": "/dev/sda1", "type": "ext4", "total": 100, "used": 93,
            "free": 0, "inodesUsedPercent": None, "counted": True, "usedPercent": 100,
        }  # fmt: skip
        older = {name: mount[name] for name in mount if name != "usedPercent"} | {"free": 5}
        cluster.nodes["a"].detail["filesystems"] = [mount, older]

        await page.goto(f"{cluster.url}#/node/a")

        used = page.locator("[data-section=filesystems] tbody td.share")
        await expect(used).to_have_text(["100.0\u00a0%", "95.0\u00a0%"])


async def test_rows_that_the_node_left_out_are_counted(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        row = {"recvBytes": 1, "sentBytes": 1, "packets": 1, "errors": 0, "drops": 0}
        cluster.nodes["a"].detail["network"] = {"eth0": row, "truncated": row | {"truncated": 312}}

        await page.goto(f"{cluster.url}#/node/a")

        notes = page.locator("[data-section=network] .note:visible")
        await expect(notes).to_have_text(["and 312 more, too many for one answer"])
        await expect(
            page.locator("[data-section] .note:visible").get_by_text("more")
        ).to_have_count(1)


async def test_a_node_that_does_not_remember_its_disks_has_their_chart_from_now_on(
    page: Page,
) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].forgotten = ("readBytes", "writeBytes")
        await page.goto(f"{cluster.url}#/node/a")

        chart = page.locator(".chart", has_text="Disk I/O")
        await expect(chart.locator(".key .value").first).to_have_text("80.1\u00a0KiB/s")
        await expect(chart.locator(".line.first")).not_to_have_attribute("d", re.compile("M0 "))


async def test_the_view_of_a_node_shows_that_it_went_down(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        await page.goto(f"{cluster.url}#/node/b")
        await expect(page.locator(".node-view")).to_have_attribute("data-state", "up")

        cluster.fail("b", "down: connection refused", state="down")

        await expect(page.locator(".node-view")).to_have_attribute("data-state", "down")
        await expect(page.locator(".node-view > .reason")).to_contain_text("since ")


async def test_a_node_that_is_not_in_the_cluster_is_shown_as_unknown(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/nobody")

        await expect(page.locator(".node-view .badge")).to_have_text("Unknown")
        await expect(page.locator(".node-view .reason")).to_contain_text("no node of this name")


async def test_a_version_1_node_shows_why_it_has_no_detail(page: Page) -> None:
    async with SimulatedCluster(["a", "old"]) as cluster:
        cluster.nodes["old"].version = 1

        await page.goto(f"{cluster.url}#/node/old")

        await expect(page.locator(".missing")).to_contain_text("speaks version 1")
        await expect(page.locator(".node-view .facts")).to_contain_text("Memory")


async def test_a_malformed_link_opens_the_overview(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/%E0%A4")

        await expect(page.locator("[data-node]")).to_have_count(1)


async def test_the_crosshair_reads_the_values_of_all_charts_at_the_pointer(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        chart = page.locator(".chart", has_text="CPU")
        plot = chart.get_by_role("slider")
        await expect(plot).to_have_attribute("aria-valuetext", has_number())
        box = await plot.bounding_box()
        assert box is not None

        await page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)

        hairlines = page.locator(".hairline")
        for index in range(await hairlines.count()):
            await expect(hairlines.nth(index)).to_be_visible()
        node = cluster.nodes["a"]

        async def agrees() -> bool:
            moment, value = await reading(page, "CPU")
            # The page and the agent round to seconds independently.
            near = [node.cpu_at(moment + shift) for shift in (-1, -0.5, 0, 0.5, 1, 1.5)]
            return any(abs(value - share) < 0.3 for share in near)

        await eventually(agrees)
        moment, _ = await reading(page, "CPU")
        end = int(await plot.get_attribute("aria-valuemax") or 0)
        assert end - moment == pytest.approx(225, abs=5)
        await page.mouse.move(0, 0)
        await expect(hairlines.first).to_be_hidden()


async def test_the_crosshair_moves_by_keyboard(page: Page) -> None:
    async with SimulatedCluster(["a"], by_hand=True) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        plot = page.locator(".chart", has_text="Memory").get_by_role("slider")
        await expect(plot).to_have_attribute("aria-valuetext", has_number())
        end = int(await plot.get_attribute("aria-valuemax") or 0)

        await plot.focus()
        for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "ArrowRight"):
            await page.keyboard.press(key)

        await expect(plot).to_have_attribute("aria-valuenow", str(end - 11))
        await page.keyboard.press("Escape")
        await expect(page.locator(".hairline").first).to_be_hidden()
        await expect(page.get_by_role("heading", level=1)).to_have_text("a")


async def test_the_charts_can_show_an_hour(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        await page.goto(f"{cluster.url}#/node/a")
        plot = page.locator(".chart", has_text="Network").get_by_role("slider")

        await page.get_by_role("button", name="1 hour").click()

        async def an_hour() -> bool:
            edges = [
                int(await plot.get_attribute(f"aria-value{edge}") or 0) for edge in ("min", "max")
            ]
            return edges[1] - edges[0] == 3600

        await eventually(an_hour)
        line = page.locator(".chart", has_text="Network").locator(".line").first
        drawn = await line.get_attribute("d")
        assert drawn is not None
        assert drawn.count("L") > 250


async def reading(page: Page, title: str) -> tuple[int, float]:
    """The moment at the crosshair of a chart, and its first value."""
    chart = page.locator(".chart", has_text=title).first
    moment = await chart.get_by_role("slider").get_attribute("aria-valuenow")
    value = await chart.locator(".key .value").first.text_content()
    assert moment is not None
    assert value is not None
    return int(moment), float(value.split("\u00a0")[0])


def has_number() -> re.Pattern[str]:
    """The value is a number, not a dash."""
    return re.compile(r": \w+ \d")


async def test_the_tags_of_a_node_are_among_its_facts(page: Page) -> None:
    async with SimulatedCluster(["a"]) as cluster:
        cluster.nodes["a"].tags = {"site": "eu-1", "role": "<b>db</b>"}

        await page.goto(f"{cluster.url}#/node/a")

        facts = page.locator(".node-view > .facts")
        await expect(facts).to_contain_text("Tagsrole=<b>db</b> · site=eu-1")


async def test_the_view_of_a_dead_node_shows_its_last_hour_and_who_kept_it(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", "down: connection refused", state="down")
        died = time.time() - 7200
        cluster.nodes["b"].kept = "a", died
        cluster.nodes["b"].detail = {}

        await page.goto(f"{cluster.url}#/node/b")

        note = page.locator(".kept")
        await expect(note).to_contain_text("when a heard this node last")
        slider = page.get_by_role("slider", name="CPU: moment to read")
        end = await slider.get_attribute("aria-valuemax")
        assert end is not None
        assert 0 <= float(end) - died < 25  # and the event that it is down
        await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"used \d"))
        line = page.locator(".plot path.line").first
        await expect(line).to_have_attribute("d", re.compile(r"L"))


async def test_a_node_that_is_back_has_its_charts_until_now(page: Page) -> None:
    async with SimulatedCluster(["a", "b"]) as cluster:
        cluster.fail("b", "down: connection refused", state="down")
        cluster.nodes["b"].kept = "a", time.time() - 600
        await page.goto(f"{cluster.url}#/node/b")
        await expect(page.locator(".kept")).to_be_visible()

        cluster.fail("b", "", silent=False)

        await expect(page.locator(".kept")).to_be_hidden()
        slider = page.get_by_role("slider", name="CPU: moment to read")

        async def current() -> bool:
            end = await slider.get_attribute("aria-valuemax")
            return end is not None and time.time() - float(end) < 30

        await eventually(current)

"""The channels of an agent: read from where the settings point, and never shown."""

import asyncio
import logging
from functools import partial
from pathlib import Path

import pytest

from doubles.alerts import an_alert
from doubles.sink import sink, status
from nodnod_agent.config.settings import Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.alerts.message import compose
from nodnod_agent.notify import channels as module
from nodnod_agent.notify.channels import Channels, ChannelUrls, read_urls
from notify.results import sent

KEY = "xoxb-super-secret"
HOOK = f"webhook+https://hooks.example/{KEY}"


def read(*references: str, heartbeat: str | None = None, **environment: str) -> ChannelUrls:
    settings = Settings(name="kenny", alerts_notify=references, alerts_heartbeat=heartbeat)
    return read_urls(settings, environment)


def error_for(*references: str, heartbeat: str | None = None, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(*references, heartbeat=heartbeat, **environment)
    assert KEY not in str(caught.value)
    return str(caught.value)


def channels(urls: ChannelUrls | None = None) -> Channels:
    found = Channels(asyncio.get_running_loop())
    if urls is not None:
        found.use(urls)
    return found


def test_urls_are_read_in_order_from_variables_and_files(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    path.write_text(f"{HOOK}\n")
    path.chmod(0o600)

    urls = read(
        "env:A", f"file:{path}", heartbeat="env:H", A="slack://a/b/c", H="https://hc.example"
    )

    assert [url.label for url in urls.channels] == ["slack", "webhook hooks.example"]
    assert urls.heartbeat is not None
    assert urls.heartbeat.label == "heartbeat hc.example"
    assert read() == ChannelUrls()


def test_a_file_that_others_can_read_is_refused_like_that_of_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    path.write_text(HOOK)
    path.chmod(0o644)
    problem = "others may read it: mode 0644, chmod it to 0640"
    assert error_for(f"file:{path}") == f"alerts.notify[0]: {path}: {problem}"
    assert error_for(heartbeat=f"file:{path}") == f"alerts.heartbeat: {path}: {problem}"


def test_a_wrong_url_names_its_place_and_is_not_shown() -> None:
    says = "alerts.notify[1]: expected a URL, such as webhook+https://…"
    assert error_for("env:A", "env:B", A=HOOK, B=KEY) == says
    says = "alerts.notify[0]: the environment variable A is not set"
    assert error_for("env:A") == says
    says = "alerts.heartbeat: expected http:// or https://, got webhook+https://"
    assert error_for(heartbeat="env:A", A=HOOK) == says


def test_the_same_url_twice_is_refused() -> None:
    says = "alerts.notify[2]: the same URL as [0]"
    assert error_for("env:A", "env:B", "env:C", A=HOOK, B="slack://a", C=HOOK) == says


def test_a_url_for_apprise_without_apprise_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_installed", lambda: False)
    says = "alerts.notify[0]: slack needs Apprise: pip install 'nodnod-agent[notify]'"
    assert error_for("env:A", A=f"slack://{KEY}") == says
    hint = "begin it with webhook+"
    assert hint in error_for("env:A", A=HOOK.removeprefix("webhook+"))
    assert read("env:A", A=HOOK).channels


async def test_a_message_goes_over_the_channel_with_the_id() -> None:
    async with sink() as one, sink() as other:
        urls = read(
            *("env:A", "env:B"),
            A=f"webhook+http://{one.address}",
            B=f"webhook+http://{other.address}",
        )
        found = channels(urls)
        second = urls.channels[1].id

        result = await sent(partial(found.notify, second, compose([an_alert()])))

        assert result == (True, "HTTP 200")
        assert one.is_empty
        assert not other.is_empty
    assert [(channel.id, channel.kind) for channel in found.all] == [
        (url.id, "webhook") for url in urls.channels
    ]


async def test_a_channel_that_is_gone_says_so() -> None:
    result = await sent(partial(channels(read()).notify, "0" * 16, compose([an_alert()])))
    assert result == (False, "this agent has no such channel any more")


async def test_a_channel_that_stays_is_kept_and_others_come_and_go() -> None:
    found = channels(read("env:A", "env:B", heartbeat="env:H", A=HOOK, B="slack://b", H="http://h"))
    kept, _ = found.all
    heart = found.heartbeat

    found.use(read("env:C", "env:A", heartbeat="env:H", A=HOOK, C="slack://c", H="http://h"))

    assert [channel.label for channel in found.all] == ["slack", "webhook hooks.example"]
    assert found.all[1] is kept
    assert found.heartbeat is heart
    found.use(read("env:A", heartbeat="env:H", A=HOOK, H="http://other"))
    assert found.heartbeat is not heart
    found.use(read())
    assert (found.all, found.heartbeat) == ((), None)


async def test_no_result_log_or_repr_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = status(500, body=f"/{KEY} {KEY}".encode())
    async with sink(answer) as server:
        texts = [
            f"{kind}://me:{KEY}@{server.address}/{KEY}{query}"
            for kind, query in (
                ("webhook+http", f"?{KEY}"),
                ("alertmanager+http", ""),
                ("json", f"?{KEY}={KEY}"),
            )
        ]
        environment = {f"C{index}": text for index, text in enumerate(texts)}
        heart = f"http://me:{KEY}@{server.address}/{KEY}"
        urls = read(*(f"env:{n}" for n in environment), heartbeat="env:H", H=heart, **environment)
        found = channels(urls)
        assert found.heartbeat is not None
        message = compose([an_alert()])
        results = [await sent(partial(channel.send, message)) for channel in found.all]
        results.append(await sent(found.heartbeat.send))

    assert [ok for ok, _ in results] == [False] * 4
    assert KEY not in repr([results, urls, found, found.all, found.heartbeat])
    assert KEY not in repr([(channel.id, channel.label) for channel in found.all])
    assert KEY not in caplog.text

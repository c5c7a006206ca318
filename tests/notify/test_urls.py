"""What URLs of channels say, and what is shown of them."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.notify.urls import UrlError, parse_channel, parse_heartbeat
from strategies import examples

KEY = "xoxb-super-secret"


def error_for(url: str) -> str:
    with pytest.raises(UrlError) as caught:
        parse_channel(url)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_a_webhook_has_one_endpoint_with_its_path_and_query() -> None:
    url = parse_channel(f"webhook+https://hooks.example.org/a/{KEY}?b=1")

    (endpoint,) = url.endpoints
    assert (url.kind, url.label) == ("webhook", "webhook hooks.example.org")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("https", "hooks.example.org", 443)
    assert endpoint.path == f"/a/{KEY}?b=1"


@pytest.mark.parametrize(
    ("url", "label", "port"),
    [
        ("webhook+http://a", "webhook a", 80),
        ("webhook+http://a:8080/x", "webhook a:8080", 8080),
        ("webhook+http://[::1]:8080", "webhook [::1]:8080", 8080),
        ("webhook+https://10.0.0.1", "webhook 10.0.0.1", 443),
        ("webhook+http://Stan.Example./", "webhook stan.example.", 80),
    ],
)
def test_a_label_shows_the_port_only_where_it_is_unusual(url: str, label: str, port: int) -> None:
    found = parse_channel(url)
    assert (found.label, found.endpoints[0].port) == (label, port)


def test_user_and_password_become_basic_authorization_without_percent_signs() -> None:
    (endpoint,) = parse_channel("webhook+https://me:p%40ss%3A@a/").endpoints
    scheme, value = endpoint.authorization.split()
    assert (scheme, b64decode(value)) == ("Basic", b"me:p@ss:")


def test_replicas_of_alertmanager_share_path_and_password() -> None:
    url = parse_channel("alertmanager+http://me:pw@am-1:9093,am-2:9094/prefix/")

    assert url.label == "alertmanager am-1:9093, am-2:9094"
    assert [endpoint.host for endpoint in url.endpoints] == ["am-1", "am-2"]
    assert {endpoint.path for endpoint in url.endpoints} == {"/prefix/api/v2/alerts"}
    assert len({endpoint.authorization for endpoint in url.endpoints}) == 1
    assert url.endpoints[0].authorization


@pytest.mark.parametrize(
    ("url", "label"),
    [
        (f"slack://{KEY}/B/C", "slack"),
        (f"tgram://{KEY}/42", "tgram"),
        (f"json://me:{KEY}@sink:8000/{KEY}", "json sink"),
        (f"mailtos://me:{KEY}@example.org", "mailtos example.org"),
        (f"https://hooks.slack.com/services/{KEY}", "https hooks.slack.com"),
        (f"json://[{KEY}", "json"),
    ],
)
def test_anything_else_is_left_to_apprise_and_shows_a_host_only_where_it_is_one(
    url: str, label: str
) -> None:
    found = parse_channel(url)
    assert (found.kind, found.label, found.url) == ("apprise", label, url)


def test_an_id_is_the_same_for_the_same_url_only() -> None:
    ids = {parse_channel(url).id for url in ("webhook+http://a/1", "webhook+http://a/2")}
    assert len(ids) == 2
    assert parse_channel("webhook+http://a/1").id in ids
    assert all(len(bytes.fromhex(found)) == 8 for found in ids)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "expected a URL, such as webhook+https://…"),
        (KEY, "expected a URL, such as webhook+https://…"),
        (f"webhook+https:/a/{KEY}", "expected a URL, such as webhook+https://…"),
        (f"webhook://a/{KEY}", "expected webhook+http:// or webhook+https://, got webhook://"),
        (
            f"alertmanager+ftp://a/{KEY}",
            "expected alertmanager+http:// or alertmanager+https://, got alertmanager+ftp://",
        ),
        (f"webhook+http://a/{KEY}\nslack://b", "expected one URL, got several words; each channel"),
        (f"webhook+http://ü/{KEY}", "expected a URL of ASCII characters, others as %XX"),
        (f"webhook+http://a/{KEY}\0", "expected a URL of ASCII characters, others as %XX"),
        (f"webhook+http://a/#{KEY}", "a # is sent to no server; write it as %23"),
        (f"webhook+http://{KEY}:{KEY}/", "expected host or host:port behind //"),
        (f"webhook+http://me:{KEY}@/", "expected host or host:port behind //"),
        (f"webhook+http://me:{KEY}@a:0", "expected host or host:port behind //"),
        (f"webhook+http://me:{KEY}@a:70000", "expected host or host:port behind //"),
        (f"webhook+http://me:{KEY}@a:", "expected host or host:port behind //"),
        (f"webhook+http://a,b/{KEY}", "expected host or host:port behind //"),
        (f"webhook+http://[{KEY}]/", "not a URL behind webhook+http://"),
        (f"alertmanager+http://a,,b/{KEY}", "expected host or host:port behind //"),
        (f"alertmanager+http://a,a/{KEY}", "one server is there twice"),
        (f"alertmanager+http://a?{KEY}", "expected no query (?…) in a URL of Alertmanager"),
    ],
)
def test_a_wrong_url_is_refused_and_not_shown(url: str, says: str) -> None:
    assert error_for(url).startswith(says)


def test_a_heartbeat_is_an_ordinary_url() -> None:
    assert parse_heartbeat(f"https://hc.example/ping/{KEY}").label == "heartbeat hc.example"
    with pytest.raises(UrlError, match=r"^expected http:// or https://, got webhook\+http://$"):
        parse_heartbeat(f"webhook+http://a/{KEY}")


def test_nothing_but_the_label_is_in_any_repr() -> None:
    for text in (f"webhook+http://me:{KEY}@a/{KEY}?{KEY}", f"slack://{KEY}"):
        url = parse_channel(text)
        shown = f"{url} {url!r} {url.endpoints} {url.endpoints!r}"
        assert KEY not in shown
        assert url.label in shown


characters = st.text(st.characters(codec="utf-8"), max_size=30)
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["webhook+http://", "alertmanager+https://", "json://", "x://", "", "webhook"]),
    st.sampled_from(["", "a", "me:pw@a", "[::1]", "[", "a:80", "a:", "a,b", "@", "%"]),
    st.sampled_from(["", "/", ":", "?", "#", "/%"]),
    characters,
)


@examples(300)
@given(URLS | characters)
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    try:
        said = parse_channel(text).label
    except UrlError as error:
        said = str(error)
    assert said.isprintable()

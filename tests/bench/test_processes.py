from pathlib import Path

from bench.harness.processes import Child


def test_the_output_of_the_newest_process_begins_behind_that_of_all_before(tmp_path: Path) -> None:
    child = Child(["-c", "print('… and 3 more like it')"], tmp_path / "log")
    for _ in range(3):  # a character may be several bytes
        child.start()
        child.running.wait()
        assert child.output() == "… and 3 more like it\n"
    child.kill()
    assert child.log() == 3 * "… and 3 more like it\n"

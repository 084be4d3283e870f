"""A manifest is found in an upload, and what is wrong with the upload is no concern of the look."""

from pathlib import Path

import pytest

from runs import manifest, task_archives
from runs.manifest import BadManifest
from tests.uploads import Files, packed

GPU = "tasks: {main: {resources: {cpus: 2, gpu: {count_range: [1, 4], model: h100}}}}"


def look(tmp_path: Path, content: bytes | Files) -> manifest.Resources:
    archive = tmp_path / "family.tar.gz"
    archive.write_bytes(content if isinstance(content, bytes) else packed(content))
    return task_archives.manifest_in(archive).task("main").resources


@pytest.mark.parametrize("name", ["manifest.yaml", "manifest.yml", "./manifest.yaml"])
def test_what_a_task_asks_for_is_found(tmp_path: Path, name: str) -> None:
    found = look(tmp_path, {"a.py": "", "deep/manifest.yaml": "tasks: {}", name: GPU})
    assert (found.cpus, found.gpu and found.gpu.model) == (2, "h100")


def test_yaml_wins_over_yml(tmp_path: Path) -> None:
    found = look(tmp_path, {"manifest.yml": "tasks: {}", "manifest.yaml": GPU})
    assert found.cpus == 2


@pytest.mark.parametrize(
    "content", [b"", b"no archive", packed({"a.py": ""})[:30]], ids=["empty", "text", "cut off"]
)
def test_an_archive_that_cannot_be_read_asks_for_nothing(tmp_path: Path, content: bytes) -> None:
    assert look(tmp_path, content) == manifest.Resources()


def test_an_archive_that_is_gone_asks_for_nothing(tmp_path: Path) -> None:
    assert task_archives.manifest_in(tmp_path / "gone") == manifest.Manifest(tasks={})


def test_an_unknown_resource_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"tasks\.main\.resources\.tpu: Extra"):
        look(tmp_path, {"manifest.yaml": "tasks: {main: {resources: {tpu: 1}}}"})


@pytest.mark.parametrize("wrong", ["[2, 1]", "[-1, 1]"])
def test_a_range_that_is_none_is_named(tmp_path: Path, wrong: str) -> None:
    text = GPU.replace("[1, 4]", wrong)
    with pytest.raises(BadManifest, match=r"give \[least, most\]"):
        look(tmp_path, {"manifest.yaml": text})

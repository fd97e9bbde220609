"""The Binder link: its image is built from binder/, its launch opens the first notebook, which runs to its end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from binder_image import QUIET, Image, Launch, opens
from kernels import ROOT

import lk_notebook

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(900)]

START = "notebooks/00_start.ipynb"
ASK = 1  # the code cell that asks why the sky is blue
STEPS = (
    r"^COPY .*environment-2epy-2d3-2e12",
    r"^COPY .* src/ ",
    r"pip install .*-r .?binder/requirements.txt",
    r"^RUN \./binder/postBuild",
)
BADGE = re.compile(r"\[!\[Binder\]\(https://mybinder\.org/badge_logo\.svg\)\]\((\S+)\)")


@pytest.fixture(scope="module")
def image():
    """The image of this checkout."""
    return Image()


@pytest.fixture(scope="module")
def launch(image):
    """A session of it."""
    with Launch(image) as started:
        yield started


@pytest.fixture
def older(image, tmp_path):
    """A session on Binder's own ipykernel, which is older than the one we ask for and has a trap; the demo answers."""
    pip = [image.bin / "python", "-m", "pip", "install", *QUIET, "--no-deps"]
    subprocess.run([*pip, "--target", tmp_path, "ipykernel==7.0.1"], check=True, timeout=300)
    with Launch(image, {"PYTHONPATH": str(tmp_path), "LK_LOCAL_MODEL": "off"}) as started:
        yield started


def badge() -> str:
    """The address behind the badge of the README."""
    (found,) = BADGE.findall((ROOT / "README.md").read_text("utf-8"))
    return found


def dockerfile() -> list[str]:
    """What repo2docker, which Binder runs, makes of this checkout."""
    program = Path(sys.executable).with_name("jupyter-repo2docker")
    done = subprocess.run(
        [program, "--no-build", "--debug", ROOT], capture_output=True, text=True, timeout=120, check=True
    )
    return (done.stdout + done.stderr).splitlines()


def test_the_image_is_built_in_the_right_order():
    """The checkout is there before pip installs it, with what we ask for; then postBuild runs, on Python 3.12."""
    lines = dockerfile()
    order = [next(i for i, line in enumerate(lines) if re.search(step, line)) for step in STEPS]

    assert order == sorted(order)
    assert not [line for line in lines if "COPY" in line and "src/pyproject" in line]


def test_the_folder_is_one_that_binder_reads():
    """No file of another kind, which would win silently; and postBuild can be run."""
    folder = ROOT / "binder"

    assert {file.name for file in folder.iterdir()} == {"postBuild", "requirements.txt", "runtime.txt"}
    assert (folder / "runtime.txt").read_text("utf-8").strip() == "python-3.12"
    assert (folder / "postBuild").stat().st_mode & 0o111


def test_the_badge_names_a_tag_and_opens_the_first_notebook():
    """A tag has one image; the branch would have one after each push."""
    address = badge()

    assert urlsplit(address).path == f"/v2/gh/OWNER/lk_notebook/v{lk_notebook.__version__}"
    assert opens(address) == f"lab/tree/{START}"


def test_the_image_has_asked_the_local_model_once(image):
    """A build whose model does not answer would fail then, and not before a class."""
    assert "SmolLM2 135M · built in, on this machine" in image.said


def visit(launch, notebook):
    """The launched notebook after Run All, and the hosts that its page asked."""
    shutil.copy(ROOT / START, launch.work / START)
    opened, asked = notebook(launch, START), set()
    opened.page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    assert opened.run_all(400)
    return opened, asked - {None}  # None: data: and blob:


def faults(opened):
    """What went wrong on the page: cells that failed, and what the console complained of."""
    outputs = [output for cell in opened.save()["cells"] for output in cell.get("outputs", [])]
    return [output for output in outputs if output["output_type"] == "error"] + opened.errors


def test_a_visitor_runs_the_first_notebook(launch, notebook):
    """Run All of the launched notebook ends without error; the local model answers, and the page asks nobody else."""
    opened, asked = visit(launch, notebook)

    assert faults(opened) == []
    assert "SmolLM2 135M" in opened.shown(ASK)
    assert asked == {"127.0.0.1"}
    assert opened.page.locator(".jp-Dialog").count() == 0
    assert "Jupyter news" not in opened.page.inner_text("body")
    assert launch.memory < 1024  # MiB; a pod has 2 GiB at most, and 450 MB for sure
    print(f"Binder: {launch.memory:.0f} MiB with one kernel and the local model")


def test_the_first_notebook_runs_on_binders_own_ipykernel(older, notebook):
    """7.0.1 loses what is shown from another thread, unless it comes with the cell's context."""
    opened, _ = visit(older, notebook)

    assert faults(opened) == []
    assert "demo, not a language model" in opened.shown(ASK)


def test_a_key_is_not_asked_for_without_a_warning(launch, notebook):
    """Binder is a public machine: the warning stands there before anything can be typed."""
    launch.write("key.ipynb", ["%load_ext lk_notebook", "%lkaccount groq"])
    opened = notebook(launch, "key.ipynb")
    assert opened.run(0)
    opened.start(1)

    assert opened.wait(lambda: opened.cell(1).locator(".jp-Stdin-input").count() == 1)
    assert opened.shown(1).index("This is Binder: a public machine") >= 0
    opened.press("interrupt")
    opened.wait(lambda: opened.state == "idle")

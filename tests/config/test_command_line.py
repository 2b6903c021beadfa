"""What a person sees who makes mistakes: the real command, its exit code, its message, its time, what it imported."""

import resource
import subprocess
import sys

import pytest

from src.config.assess import assess
from src.config.groups import CONF, Groups
from tests.config.conftest import problems_of

ROOT = CONF.parent
HEAVY = [
    "torch",
    "torchvision",
    "pytorch_lightning",
    "albumentations",
    "timm",
    "torchmetrics",
    "wandb",
    "cv2",
    "optuna",
    "numpy",
]
MISTAKES = ["model=resnt", "optimizer.lr=abc", "data.batchsize=4"]
EXPERIMENT = "# @package _global_\ntrainer: {max_epoch: 3}\nmodle: x\n"


def run(*arguments: str, command: str = "train", **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", f"src.{command}", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def spoilt(own_folder) -> list[str]:
    """The mistakes of issue 2, on the command line and in an experiment file of the user's own."""
    folder = own_folder("experiment/mine", EXPERIMENT)
    return [*MISTAKES, "--config-dir", str(folder), "experiment=mine"]


def test_all_mistakes_are_reported_at_once_with_place_and_spelling(spoilt):
    result = run(*spoilt)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    head, *lines = result.stderr.rstrip().splitlines()
    assert head == "5 mistakes in the configuration:"
    expected = [
        ("command line", "model=resnt", "did you mean resnet?"),
        ("command line", "data.batchsize=4", "did you mean batch_size?"),
        ("command line", "optimizer.lr=abc", "must be a number at least 0, not the text 'abc'"),
        ("experiment/mine.yaml:2", "trainer.max_epoch", "did you mean max_epochs?"),
        ("experiment/mine.yaml:3", "modle", "did you mean model?"),
    ]
    for line, (where, key, hint) in zip(lines, expected, strict=True):
        assert where in line
        assert f" {key} " in line
        assert hint in line


def test_printing_a_wrong_configuration_fails_like_running_it(spoilt):
    result = run(*spoilt, "--cfg", "job")
    assert (result.returncode, result.stdout) == (2, "")
    assert "5 mistakes" in result.stderr


def test_mistakes_take_less_than_a_second_of_the_processor(spoilt):
    """Seconds by the clock are for `make prove`: the machine that tests may be busy."""
    run(*spoilt)  # warm: signatures are read once and kept
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*spoilt)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 1.0, seconds


def test_right_configuration_is_printed():
    result = run("model=vgg19", "optimizer.lr=0.2", "--cfg", "job")
    assert result.returncode == 0, result.stderr
    assert "lr: 0.2" in result.stdout
    assert "src.networks" in result.stdout
    assert "hydra:" not in result.stdout


def test_help_is_for_people():
    result = run("--help")
    assert result.returncode == 0
    for word in ("evaluate", "resnet*", "imagenette", "data.root=", "experiment=imagenette_quick", "resume="):
        assert word in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_help_of_a_group_describes_each_choice():
    text = run("--help", "debug").stdout
    assert "overfit" in text
    assert "Learns one batch by heart" in text


def test_examples_of_the_help_are_valid():
    from src.config.help import EXAMPLES

    for typed, _ in EXAMPLES["train"]:
        words = [word.strip("'") for word in typed.split() if "=" in word and "mine" not in word]
        sweeps = typed.startswith("-m")
        assert [p for p in problems_of(*words) if not (sweeps and "several values" in p.what)] == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--cfg", "job"], MISTAKES, ["-sc", "query=bash"], ["-sc", "install=bash"]], ids=str
)
def test_nothing_heavy_is_imported(arguments, tmp_path):
    """Even with an empty cache, when all signatures are read."""
    program = (
        "import sys\nfrom src.config.command import compose\nfrom src.errors import UserError\n"
        "try: compose('train')\nexcept (UserError, SystemExit): pass\n"
        f"sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT, capture_output=True, text=True,
        env={"XDG_CACHE_HOME": str(tmp_path), "COMP_LINE": "train.py data=ima", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_completion_knows_choices_and_keys():
    def complete(line: str) -> list[str]:
        return run("-sc", "query=bash", COMP_LINE=f"app {line}").stdout.split()

    assert complete("data=imagene") == ["data=imagenette"]
    assert "network.batch_norm=" in complete("model=vgg19 network.ba")


def test_completion_in_bash(tmp_path):
    """The installed function itself, called as bash calls it."""
    words = f"{sys.executable} -m src.train data=imagew"
    script = tmp_path / "complete.sh"
    script.write_text(
        f'eval "$({sys.executable} -m src.train -sc install=bash)"\n'
        f'COMP_LINE="{words}"; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({words}); COMP_CWORD=3\n'
        "_src_completion; echo ${COMPREPLY[@]}\n"
    )
    assert subprocess.run(["bash", script], cwd=ROOT, capture_output=True, text=True).stdout == "data=imagewoof\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "4"], "Values are typed as key=value"),
        (["--experimental-rerun", "x.pickle"], "resume=RUN_DIR"),
        (["--config-path", "elsewhere"], "--config-dir FOLDER"),
        (["--config-dir", "nowhere"], "there is no such folder"),
    ],
)
def test_options_that_are_not_ours_are_explained(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert message in result.stderr


def test_entry_points_turn_exceptions_into_exit_codes(tmp_path):
    def code(raised: str) -> tuple[int, str]:
        program = (
            "from src.config.command import main\nfrom src.errors import UserError\n"
            f"def task(composed):\n    {raised}\nmain(task, 'train')"
        )
        result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
        return result.returncode, result.stderr

    assert code("pass") == (0, "")
    assert code("raise UserError('No images.')") == (2, "No images.\n")
    assert code("raise KeyboardInterrupt")[0] == 130
    failed, text = code("raise RuntimeError('a bug')")
    assert failed == 1
    assert "Traceback" in text


def test_missing_keys_of_a_saved_run_command_are_named():
    result = run("splt=val", command="evaluate")
    assert result.returncode == 2
    assert "is missing; type run=..." in result.stderr
    assert "splt=val" in result.stderr
    assert "did you mean split?" in result.stderr


@pytest.mark.parametrize(
    ("command", "words", "meant"),
    [
        ("summary", ["vgg19"], "type model=vgg19"),
        ("train", ["cosine"], "type scheduler=cosine"),
        ("evaluate", ["."], "type run=."),
        ("train", ["optimizer.lr=0.1,", "0.01"], "no space belongs behind a comma: optimizer.lr=0.1,0.01"),
        ("explain", ["run=.", "method=gradcam,saliency"], "type the command once for each"),
    ],
)
def test_a_bare_word_is_answered_with_what_it_may_mean(command: str, words: list[str], meant: str) -> None:
    assert meant in [problem.suggestion for problem in assess(command, words, Groups()).problems]

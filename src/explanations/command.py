"""The recipe of an explanation: what is explained, with which images, and where the pictures go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config import saved
from src.config.build import build
from src.config.command import Composed
from src.config.signatures import class_literal
from src.errors import UserError
from src.runs.directory import open_run

if TYPE_CHECKING:
    from src.explanations.given import Method

WITHOUT_RUN = ("model", "network", "image_size", "in_channels", "num_classes")
"""Keys that say which network is meant where no run says it."""

CLASSIFIER = "src.models.classifier.Classifier"


def explain(composed: Composed) -> tuple[str | None, Path | None]:
    """Return what to print, and the folder that was written; None where there is nothing of one or the other.

    Raises UserError where the method lacks something, or is given what it would ignore.
    """
    require_what_is_needed(composed)
    if composed.config.run is not None:
        open_run(composed.config.run)
    config = saved.plain(composed.config)
    name = str(composed.choices["method"])
    from src.explanations.opening import opened  # what all of it takes is imported when the rest is right
    from src.explanations.output import Output

    folder = Path(config["output"] or (Path(config["run"]) / "explain" if config["run"] else "explain"))
    output = Output(folder / name, name)
    method: Method = build(config["method"])
    found = opened(config, composed.for_the_run, output, untrained=name == "layers", **needs(composed))
    if name != "layers":
        output.require_writable()
    text = method.explain(found.given)
    if not output.files:
        return text, None
    output.finish()
    from src.explanations.page import write_page

    write_page(folder)
    if found.run is not None:
        from src.explanations.logged import link_from_report, log_pictures

        link_from_report(found.run.path, folder)
        log_pictures(found.run, found.config, output)
    return text, output.folder


def needs(composed: Composed) -> dict[str, bool]:
    """Return whether the method `needs_images` and `needs_network`."""
    target = composed.config.method["_target_"]
    return {name: class_literal(target, name) is not False for name in ("needs_images", "needs_network")}


def require_what_is_needed(composed: Composed) -> None:
    """Raise UserError where a method lacks what it needs, or something was typed that it would ignore.

    The run need not be there yet.
    """
    needs_images, needs_network = needs(composed).values()
    asked, method = composed.config, f"method={composed.choices['method']}"
    _require_question(composed)
    typed = {override.key.partition(".")[0]: override.canonical for override in composed.typed}
    images = [f"{key}={asked[key]}" for key in ("input", "split") if asked[key] is not None]
    _require_images(method, images, needs_images=needs_images, run=asked.run)
    if asked.split is not None and asked.run is None:
        raise UserError(
            f"split={asked.split} is of a run's data: type run=RUN_DIR, or input=FOLDER for your own images"
        )
    if composed.for_the_run and asked.run is None:
        raise UserError(
            f"{composed.for_the_run[0]}: without a run, explain takes model=, network=, method= and its own keys "
            "(--help shows them); other overrides apply to a saved run, so type run=RUN_DIR"
        )
    other = [typed[key] for key in WITHOUT_RUN if key in typed]
    if other and not needs_network:
        raise UserError(f"{other[0]}: {method} needs no network; leave it out")
    if needs_network and asked.run is None and asked.model["_target_"] != CLASSIFIER:
        raise UserError(
            f"model={composed.choices['model']}: without a run a classifier is explained, by its network alone; what "
            "else a model answers is in its run: type run=RUN_DIR"
        )
    ignored = [typed[key] for key in ("anchor", "batch_size", "num_workers", "device") if key in typed]
    if ignored and not (needs_images and needs_network):
        raise UserError(f"{ignored[0]}: {method} applies no network to images; leave it out")
    if "checkpoint" in typed and asked.run is None:
        raise UserError(f"{typed['checkpoint']} is of a run: type run=RUN_DIR, or name the file as network.weights=")


def require_right_anchor(asked: Mapping[str, Any], *, model_compares: bool) -> None:
    """Raise UserError where an image to compare with is given and not used, or is missing."""
    anchor, method = asked["anchor"], asked["method"]
    if anchor is not None and not model_compares:
        raise UserError(f"anchor={anchor}: this model compares no images; leave it out")
    method_compares = bool(class_literal(method["_target_"], "compares"))
    if anchor is not None and not method_compares:
        raise UserError(f"anchor={anchor}: this method looks at one image alone; leave it out")
    alone = method.get("what") == "channel" or method.get("channel") is not None
    if anchor is None and model_compares and method_compares and not alone:
        raise UserError(
            "this model compares images: with what? Type anchor=IMAGE, and what makes it and each input the same is "
            "shown in both"
        )


def _require_question(composed: Composed) -> None:
    """Raise UserError where nothing says what is to be explained, or images are given and no method."""
    asked, typed = composed.config, {override.key.partition(".")[0] for override in composed.typed}
    if not typed & {"run", "method", *WITHOUT_RUN}:
        raise UserError(
            "explain what, and how? Type run=RUN_DIR method=gradcam split=test (or input=photos/), or without a run "
            "model=resnet network.weights=WEIGHTS in place of run=. method=layers lists the layers of a network, "
            "method=sobel needs none, and --help shows all methods"
        )
    images = [f"{key}={asked[key]}" for key in ("input", "split", "anchor") if asked[key] is not None]
    if images and "method" not in typed:
        methods = composed.groups.choices("method")
        raise UserError(f"{images[0]}: explained how? Type method= with one of {', '.join(methods)}")


def _require_images(method: str, given: list[str], *, needs_images: bool, run: Any) -> None:
    if not needs_images and given:
        raise UserError(f"{given[0]}: {method} shows what the network is, whatever the image; leave it out")
    if needs_images and len(given) != 1:
        what = "not with both: leave out one of the two." if given else "of which images?"
        also = ", or split=test for the run's own data" if run else ""
        raise UserError(f"{method}: {what} Type input=FILE_OR_FOLDER{also}")

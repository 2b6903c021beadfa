"""Makes data ready to be read: `python -m src.prepare data=imagenette data.store=stream data.stream=s3://bucket/x`."""

from __future__ import annotations

from src.config.command import Composed, main


def prepare(composed: Composed) -> None:
    """Pack the data, or write them as a stream, as `data.store` says."""
    from src.config import saved
    from src.runs.session import prepare_process

    config = saved.plain(composed.config)
    prepare_process(threads=1)
    from src.config.build import build
    from src.data.stream.prepare import prepare_stream

    data = build(config["data"], augment=build(config["augment"]), seed=config["seed"])
    if config["data"]["store"] == "stream":
        print(prepare_stream(data, chunk=config["chunk"], overwrite=config["overwrite"]))
        return
    data.open()


if __name__ == "__main__":
    main(prepare, "prepare")

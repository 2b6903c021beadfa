"""Archives, unpacked without letting them write anywhere else, and whole or not at all."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from src.errors import UserError
from src.progress import progress


def unpack(archive: Path, target: Path) -> None:
    """Unpack a .tar (of any compression), .zip or .gz, and rename what it holds of `target`'s name to `target`.

    Raises UserError where the archive is damaged, lacks that name, or has a path that leads out of it.
    """
    scratch = target.with_name(f".{target.name}.unpacking")
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # left by a process that was killed
        scratch.mkdir(parents=True)
        _unpack_into(archive, scratch, target.name)
        held = sorted(path.name for path in scratch.iterdir())
        if target.name not in held:
            raise UserError(f"{archive} holds no {target.name}, only {', '.join(held[:5]) or 'nothing'}")
        (scratch / target.name).replace(target)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{archive} cannot be unpacked ({error}): delete it, and it is fetched again") from error
    except OSError as error:
        raise cannot_write(target.parent, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def cannot_write(folder: Path, error: OSError) -> UserError:
    """Return the message for a full disk or a folder without permission."""
    return UserError(f"cannot write to {folder} ({error.strerror or error}); data.root names another folder")


def _unpack_into(archive: Path, folder: Path, name: str) -> None:
    if tarfile.is_tarfile(archive):
        _unpack_tar(archive, folder)
    elif zipfile.is_zipfile(archive):
        _unpack_zip(archive, folder)
    else:
        with gzip.open(archive) as packed, (folder / name).open("wb") as file:
            shutil.copyfileobj(packed, file)


def _unpack_tar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise UserError(f"Python 3.11.4 or newer is needed to unpack {archive} safely, or unpack it there by hand")
    with tarfile.open(archive) as tar:
        members = progress(tar, f"Unpacking {archive.name}", unit="files")
        tar.extractall(folder, members, filter="data")  # refuses paths, links and devices that lead out


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise zipfile.BadZipFile(f"{name!r} would be unpacked outside of the destination")
        for name in progress(packed.namelist(), f"Unpacking {archive.name}", unit="files"):
            packed.extract(name, folder)

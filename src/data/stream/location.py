"""Where a stream lies: a folder, or a prefix of an S3 bucket. Files by name; every failure has its message.

LitData talks to the bucket. Its own defaults try a thousand times, so attempts and time-outs are set here.
"""

from __future__ import annotations

import io
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

from src.errors import UserError
from src.files import atomic

S3 = "s3://"
ATTEMPTS = 4
"""How often a request is sent before the server is given up."""
_CONNECT, _READ = 10, 60  # seconds


class Location(ABC):
    """Files by name below a folder or prefix. Raises UserError, naming `data.stream`, for whatever goes wrong."""

    local: Path | None = None
    """The folder itself, where chunks need no copy."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether nothing at all is there."""

    @abstractmethod
    def download(self, name: str, file: IO[bytes]) -> None:
        """Copy a file into `file`."""

    @abstractmethod
    def upload(self, name: str, path: Path) -> None:
        """Copy the file `path` here, whole or not at all."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, where it is there."""

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        file = io.BytesIO()
        self.download(name, file)
        return file.getvalue()


def location(url: str) -> Location:
    """Return the folder or bucket that `data.stream` names. Raises UserError for other addresses."""
    if url.startswith(S3):
        return Bucket(url)
    if "://" in url:
        raise UserError(f"data.stream={url}: streams are read from folders and from {S3}BUCKET/PREFIX")
    return Folder(url)


class Folder(Location):
    """A folder of this machine, or one that is mounted."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.local: Path = Path(url).expanduser()

    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""
        return (self.local / name).is_file()

    def is_empty(self) -> bool:
        """Tell whether the folder is missing or has nothing in it."""
        return not self.local.is_dir() or not any(self.local.iterdir())

    def download(self, name: str, file: IO[bytes]) -> None:
        """Copy a file into `file`."""
        try:
            with (self.local / name).open("rb") as there:
                shutil.copyfileobj(there, file)
        except OSError as error:
            raise UserError(f"data.stream={self.url}: {name} cannot be read: {error.strerror or error}") from None

    def upload(self, name: str, path: Path) -> None:
        """Copy the file `path` into the folder, which is made where it is missing."""
        with path.open("rb") as here, atomic(self.local / name) as there:
            shutil.copyfileobj(here, there)

    def remove(self, name: str) -> None:
        """Remove a file, where it is there."""
        (self.local / name).unlink(missing_ok=True)


class Bucket(Location):
    """A prefix in object storage; endpoint and credentials from the environment, as boto3 takes them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if not self.url.removeprefix(S3).partition("/")[2]:
            raise UserError(f"data.stream={url}: name a place within the bucket too, such as {self.url}/imagenette")
        self._made: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": None}  # connections belong to their process

    def exists(self, name: str) -> bool:
        """Tell whether an object is there."""
        with _Explained(self.url):
            return bool(self._provider.exists(f"{self.url}/{name}"))

    def is_empty(self) -> bool:
        """Tell whether no object has the prefix."""
        with _Explained(self.url):
            return bool(self._provider.is_empty(self.url))

    def download(self, name: str, file: IO[bytes]) -> None:
        """Copy an object into `file`."""
        with _Explained(self.url, name):
            self._downloader.download_fileobj(f"{self.url}/{name}", file)

    def upload(self, name: str, path: Path) -> None:
        """Send the file `path`; an object appears when all of it has arrived."""
        with _Explained(self.url, name):
            self._provider.upload_file(str(path), f"{self.url}/{name}")

    def remove(self, name: str) -> None:
        """Remove an object, where it is there."""
        with _Explained(self.url, name):
            self._provider.delete_file_or_directory(f"{self.url}/{name}")

    @property
    def _downloader(self) -> Any:
        return self._litdata()[0]

    @property
    def _provider(self) -> Any:
        return self._litdata()[1]

    def _litdata(self) -> tuple[Any, Any]:
        """Return LitData's reader and writer of buckets, which follow a fork by themselves."""
        if self._made is None:
            from botocore.config import Config
            from litdata.streaming.downloader import S3Downloader
            from litdata.streaming.fs_provider import S3FsProvider

            retries: Any = {"total_max_attempts": ATTEMPTS, "mode": "standard"}
            options = {"config": Config(retries=retries, connect_timeout=_CONNECT, read_timeout=_READ)}
            self._made = S3Downloader(self.url, "", [], options), S3FsProvider(options)
        return self._made


class _Explained:
    """Turns what boto3 raises into messages that say what to type."""

    def __init__(self, url: str, name: str | None = None) -> None:
        self.url, self.name = url, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, UserError) or not isinstance(error, Exception):
            return
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, (BotoCoreError, ClientError, Boto3Error)):
            raise UserError(f"data.stream={self.url}: {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        from botocore import exceptions as boto

        cause = error.__cause__ or error.__context__ or error  # of an upload boto3 raises its own around the client's
        found = cause if isinstance(cause, boto.ClientError) else error
        if isinstance(found, boto.ClientError):
            code = str(found.response.get("Error", {}).get("Code", ""))
            if code == "NoSuchBucket" or "NoSuchBucket" in str(error):
                return "there is no such bucket"
            if code in ("404", "NoSuchKey"):
                return f"{self.name} is not there"
            if code in ("400", "401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
                return (
                    f"the server refuses these credentials ({code}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                    "or AWS_PROFILE, to those that may use it"
                )
        credentials = boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound
        if isinstance(error, credentials) or "Unable to locate credentials" in str(error):
            return f"no credentials ({error}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
            return f"no answer ({error}); AWS_ENDPOINT_URL names another server, and a proxy needs HTTPS_PROXY"
        return str(error)

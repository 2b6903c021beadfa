from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save
from torchvision.models import SqueezeNet1_1_Weights

from src import download
from src.errors import UserError
from src.networks.download import downloaded, local_copy
from tests.networks.building import build


class Server(ThreadingHTTPServer):
    """Serves `files` by path on 127.0.0.1, and counts requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(download, "PAUSE", 0.01)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def kept(tmp_path):
    return [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_weights_of_a_url_are_fetched_once(server, tmp_path):
    learned = build("squeezenet", num_classes=3, version=1.1).state_dict()
    server.files["mine.safetensors"] = save(learned)
    for _ in range(2):
        network = build("squeezenet", num_classes=3, version=1.1, weights=server.url("mine.safetensors"))
        assert all(torch.equal(value, learned[key]) for key, value in network.state_dict().items())
    assert server.requests == 1
    assert kept(tmp_path) == [local_copy(server.url("mine.safetensors"))]


def test_published_weights_are_checked_by_the_hash_in_their_name(server, tmp_path, monkeypatch):
    learned = build("squeezenet", num_classes=1000, version=1.1).state_dict()
    torch.save(learned, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    name = f"squeezenet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files[name] = content
    monkeypatch.setattr(SqueezeNet1_1_Weights.IMAGENET1K_V1.value, "url", server.url(name))
    network = build("squeezenet", num_classes=3, version=1.1, weights="IMAGENET1K_V1").state_dict()
    head = ("classifier.1.weight", "classifier.1.bias")
    assert all(torch.equal(value, learned[key]) for key, value in network.items() if key not in head)
    assert local_copy(server.url(name)) == tmp_path / "torch" / "hub" / "checkpoints" / name


def test_a_file_with_the_wrong_hash_is_not_kept(server, tmp_path):
    server.files["net-0123456789.pth"] = b"something else"
    with pytest.raises(UserError, match="not what was published"):
        downloaded(server.url("net-0123456789.pth"))
    assert kept(tmp_path) == []


def test_without_a_network_the_message_says_what_to_put_where(server):
    server.shutdown()
    server.server_close()
    url = server.url("w.pt")
    with pytest.raises(UserError) as error:
        build("resnet", weights=url)
    message = str(error.value)
    assert url in message
    assert str(local_copy(url).parent) in message
    assert "network.weights=FILE" in message


def test_files_of_one_name_at_two_addresses_are_two_files(server):
    server.files["a/weights.safetensors"], server.files["b/weights.safetensors"] = b"one", b"two"
    assert downloaded(server.url("a/weights.safetensors")).read_bytes() == b"one"
    assert downloaded(server.url("b/weights.safetensors")).read_bytes() == b"two"

"""What goes into images."""

import importlib.util

import pytest

from lab.kubernetes.images import catalogue

_HEADER = 16


@pytest.mark.parametrize("part", ["probes", "runner"])
def test_product_is_compiled_in_its_image_so_that_a_node_pod_starts_sooner(part: str) -> None:
    files = catalogue._part(part)
    sources = [path for path in files if path.endswith(".py")]
    assert sources
    for path in sources:
        compiled = files[importlib.util.cache_from_source(path)]
        begins = compiled.read_bytes()[:_HEADER]
        assert begins[:4] == importlib.util.MAGIC_NUMBER
        # Python takes it for newer code's where one of them differs: image layers keep whole seconds.
        state = files[path].stat()
        assert begins[8:] == int(state.st_mtime).to_bytes(4, "little") + state.st_size.to_bytes(4, "little")

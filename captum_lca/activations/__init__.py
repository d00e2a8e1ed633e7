"""Layers of a model → one row of activations per word; the store on disk."""

from captum_lca.activations.extraction import base_model, extract
from captum_lca.activations.layers import ModelLayer, layers_of, resolve_layers
from captum_lca.activations.random_twin import random_twin
from captum_lca.activations.store import Activations, ActivationStore, as_store
from captum_lca.activations.store_index import StoreError
from captum_lca.activations.taps import TappedModel, evaluate_layers, evaluating

__all__ = [
    "ActivationStore",
    "Activations",
    "ModelLayer",
    "StoreError",
    "TappedModel",
    "as_store",
    "base_model",
    "evaluate_layers",
    "evaluating",
    "extract",
    "layers_of",
    "random_twin",
    "resolve_layers",
]

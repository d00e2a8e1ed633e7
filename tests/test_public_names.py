"""Every public name says what it takes, gives and refuses, and is shown in an example that runs."""

import inspect
import re
from importlib import import_module

import pytest

PACKAGES = [
    "captum_lca",
    "captum_lca.corpora",
    "captum_lca.activations",
    "captum_lca.probes",
    "captum_lca.rankings",
    "captum_lca.ablation",
    "captum_lca.analysis",
    "captum_lca.report",
]
NAMES = [(package, name) for package in PACKAGES for name in import_module(package).__all__]
PUBLIC = {f"{package}.{name}": getattr(import_module(package), name) for package, name in NAMES}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
NOTHING = (None, "None", inspect.Signature.empty)


def lacking(function, doc):
    """The sections that a function's docstring should have and hasn't."""
    signature = inspect.signature(function)
    needed = {
        "Args": bool(signature.parameters),
        "Returns": signature.return_annotation not in NOTHING,
        "Raises": re.search(r"^ +raise \w", inspect.getsource(function), re.MULTILINE) is not None,
        "Examples": True,
    }
    return [name for name, wanted in needed.items() if wanted and f"{name}:" not in doc]


def methods(kind):
    """A class's own public methods and properties, by name."""
    for name, member in vars(kind).items():
        found = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(found):
            yield name, found


def shown_types():
    """Words in what public functions and classes return: what their examples give."""
    found = set()
    for function in [*FUNCTIONS.values(), *(f for c in CLASSES.values() for _, f in methods(c))]:
        found |= set(re.findall(r"\w+", str(inspect.signature(function).return_annotation)))
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_give_and_refuse(name):
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    assert doc
    assert lacking(FUNCTIONS[name], doc) == []
    assert ">>> " in doc


@pytest.mark.parametrize("name", CLASSES)
def test_classes_and_their_methods_are_described(name):
    kind = CLASSES[name]
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # what dataclasses write themselves
    assert [method for method, function in methods(kind) if not function.__doc__] == []


def test_top_level_names_have_examples_of_their_own():
    top = [name for name in PUBLIC if name.count(".") == 1]
    assert [name for name in top if ">>> " not in PUBLIC[name].__doc__] == []


def test_every_other_class_is_shown_or_comes_out_of_an_example():
    parts = {word for kind in CLASSES.values() for word in field_types(kind)}
    known = shown_types() | parts
    unseen = [
        name
        for name, kind in CLASSES.items()
        if ">>> " not in kind.__doc__ and kind.__name__ not in known
    ]
    assert unseen == []


def field_types(kind):
    """Words in the types of a class's fields."""
    return set(
        re.findall(r"\w+", " ".join(map(str, vars(kind).get("__annotations__", {}).values())))
    )


@pytest.mark.parametrize("name", CLASSES)
def test_fields_are_described_one_by_one(name):
    """A docstring stands under every field of a class of results."""
    kind = CLASSES[name]
    fields = [field for field in getattr(kind, "__dataclass_fields__", {}) if field in own(kind)]
    source = inspect.getsource(kind)
    undescribed = [
        field
        for field in fields
        if not re.search(rf'^    {field}: .*?\n    r?"""', source, re.MULTILINE | re.DOTALL)
        or re.search(rf"^    {field}: [^\n]*\n    \w+: ", source, re.MULTILINE)
    ]
    assert undescribed == []


def own(kind):
    """Names that the class itself annotates."""
    return vars(kind).get("__annotations__", {})


def test_what_is_missing_is_found():
    def undescribed(number: int) -> int:
        """Double a number."""
        if number < 0:
            raise ValueError(number)
        return 2 * number

    assert lacking(undescribed, undescribed.__doc__) == ["Args", "Returns", "Raises", "Examples"]

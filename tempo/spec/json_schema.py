"""Describe spec files as a JSON schema, from which editors complete and check them while typing.

Pydantic describes the sections. This adds what a file may say before it is one whole study: `base`
and `profiles`, parts that a base completes, bare names of kinds, presets, variables, and the short
forms. A value that passes here can still be refused by the loader, which knows the rules between
fields; nothing that the loader accepts is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tempo.spec.designs import Variant
from tempo.spec.load import BESIDE
from tempo.spec.networks import TEMPO
from tempo.spec.options import OptionsCatalog, by_kind_of_function, catalog_of_function
from tempo.spec.presets import BATCH, PRESETS
from tempo.spec.study import RunConfig, StudySpec

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest dialect that the usual YAML plug-ins of editors understand whole."""

DEFINITIONS = "#/definitions/{model}"

VARIABLE = {"type": "string", "pattern": r"\$\{"}
"""Text with an environment variable, whose value is only known where the study is run."""

Json = dict[str, Any]


def study_schema() -> Json:
    """Return the JSON schema of a spec file (draft 7).

    Kinds that were registered before the call, such as those of a user's own blocks, are in it.

    >>> import tempo
    >>> sorted(tempo.study_schema()["properties"])[:4]
    ['arch', 'base', 'baseline', 'budget']
    """
    generator = _Generator(by_alias=True, ref_template=DEFINITIONS)
    keys, schema = generator.generate_definitions(
        [
            (each, "validation", each.__pydantic_core_schema__)
            for each in (StudySpec, RunConfig, Variant)
        ]
    )
    sections: Json = {name: _overlay(each) for name, each in schema.items()}

    def name_of(model: type[Any]) -> str:
        reference: str = keys[model, "validation"]["$ref"]
        return reference.removeprefix(DEFINITIONS.format(model=""))

    study = sections.pop(name_of(StudySpec))
    sections.pop("Options", None)  # The base of all kinds, which no spec names.
    run = sections[name_of(RunConfig)]
    _accept_preset(sections["ArchSpec"])
    _accept_long_batch(sections["Recipe"])
    sections[name_of(Variant)]["properties"]["set"] = _changes(run)
    overlay = {name: each for name, each in study["properties"].items() if name != "study"}
    sections["Profile"] = {**study, "description": "What a profile changes.", "properties": overlay}
    whole: Json = {
        "$schema": DIALECT,
        "title": "A study of Tempo",
        **study,
        "required": ["study"],
        "if": {"not": {"anyOf": [{"required": [key]} for key in BESIDE]}},
        "then": {"required": ["data", "recipe"]},
        "definitions": dict(sorted(sections.items())),
    }
    whole["properties"] = {
        "base": {
            "type": "string",
            "description": "a file to inherit from, relative to this one",
        },
        "profiles": {
            "type": "object",
            "description": "overlays of this spec by name; `full` applies when none is asked for",
            "additionalProperties": {"anyOf": [_reference("Profile"), {"type": "null"}]},
        },
        **study["properties"],
    }
    return whole


class _Generator(GenerateJsonSchema):
    """Describes a slot as a bare name of a kind, or a mapping with the options of one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._open: list[type[Any]] = []

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        function = schema["function"]["function"]
        catalog, by_kind = catalog_of_function(function), by_kind_of_function(function)
        if by_kind is not None:
            kinds = (by_kind.otherwise, *map(by_kind.catalog.get, by_kind.catalog))
            forms = [self.generate_inner(each.__pydantic_core_schema__) for each in kinds]
            return {"anyOf": forms}
        return super().function_before_schema(schema) if catalog is None else self._slot(catalog)

    def _slot(self, catalog: OptionsCatalog) -> JsonSchemaValue:
        forms: list[JsonSchemaValue] = [{"type": "string", "enum": list(catalog)}]
        for kind in map(catalog.get, catalog):
            # A kind that holds others holds those registered before it: a mixture has no mixtures
            # as parts, nor a sum of losses sums.
            if kind in self._open:
                break
            self._open.append(kind)
            forms.append(self.generate_inner(kind.__pydantic_core_schema__))
            self._open.pop()
        return {"anyOf": forms}


def _reference(name: str) -> Json:
    return {"$ref": DEFINITIONS.format(model=name)}


def _overlay(schema: Any) -> Any:
    """Return a section's schema as draft 7 for a part of a section, which a base may complete."""
    if isinstance(schema, list):
        return [_overlay(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    out: Json = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _overlay(each) for name, each in value.items()}
        elif key == "prefixItems":
            out["items"] = _overlay(value)
        elif key == "default":
            out[key] = value
        elif key not in {"required", "title"}:
            out[key] = _overlay(value)
    limited = "enum" in out or "pattern" in out or out.keys() & {"minLength", "maxLength"}
    return {"anyOf": [out, VARIABLE]} if limited and out.get("type") == "string" else out


def _accept_preset(arch: Json) -> None:
    arch["properties"] = {
        "kind": {"const": TEMPO, "description": "a point of the TEMPO family; may be left out"},
        "preset": {
            "enum": list(PRESETS),
            "description": "the network that the other fields change",
        },
        **arch["properties"],
    }


def _accept_long_batch(recipe: Json) -> None:
    fields = recipe["properties"]
    size = fields["batch"]
    parts = {name: size if name == "global" else True for name in BATCH}
    long = {"type": "object", "properties": parts, "additionalProperties": False}
    fields["batch"] = {"anyOf": [size, long], "description": size.get("description", "")}


def _changes(run: Json) -> Json:
    """Return the schema of a variant's `set`: fields of a run, nested or by dotted paths."""
    return {
        "type": "object",
        "description": "fields of a run, nested or by dotted paths such as arch.se",
        "properties": run["properties"],
        "patternProperties": {r"\.": True},
        "additionalProperties": False,
    }

"""YAML that is data and nothing else: no objects, no repeated keys, and no more of it than a person would write."""

from typing import Any

import yaml

from smiletrack.errors import InputError
from smiletrack.limits import YAML_CHARACTERS, YAML_DEPTH, YAML_VALUES


def parse_yaml(text: str, source: str) -> Any:
    """Return the value that `text` holds; InputError, which names `source`, for everything else.

    Sizes are checked on the parsed nodes, before any value is made of them.
    """
    if len(text) > YAML_CHARACTERS:
        raise InputError(f"{source}: {len(text)} characters of YAML; {YAML_CHARACTERS} are read at most")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, source, 0, {}) > YAML_VALUES:
            raise InputError(f"{source}: more than {YAML_VALUES} values, aliases written out")
        return loader.construct_document(node)
    except RecursionError:
        raise InputError(f"{source}: nested more than {YAML_DEPTH} levels deep") from None
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, TypeError) as error:  # such as a date with a 13th month
        raise InputError(f"{source}: not readable as YAML ({' '.join(str(error).split())})") from None


def _count(node: yaml.Node, source: str, depth: int, counted: dict[yaml.Node, int]) -> int:
    """Return the number of values in `node`, aliases written out; `counted` holds 0 for nodes that are still open."""
    if depth > YAML_DEPTH:
        raise InputError(f"{source}: nested more than {YAML_DEPTH} levels deep")
    if node not in counted:
        counted[node] = 0
        counted[node] = 1 + sum(_count(child, source, depth + 1, counted) for child in _children(node, source))
    elif not counted[node]:
        raise InputError(f"{source}: a value that holds itself (&name ... *name)")
    return counted[node]


def _children(node: yaml.Node, source: str) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"{source}: the key {key!r} stands twice in one mapping")
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []

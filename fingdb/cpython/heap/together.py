"""All objects of a collector with numpy: lists that are whole by `cursors`, damaged ones link by link."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import numpy as np

from ..target import PythonTarget
from .cursors import follow
from .image import image_of
from .lists import GcList
from .records import GcObjects
from .walk import MOST_OBJECTS, header_size, walk_list


def numpy_objects(target: PythonTarget, lists: Sequence[GcList], problems: List[str]) -> Optional[GcObjects]:
    """Return the objects of lists, None where a plain walk is as good or the memory cannot be had as a whole."""
    image = image_of(target)
    found = None if image is None else follow(target, image, lists)
    if found is None:
        return None
    header = header_size(target)
    numbers = np.array([each.generation for each in lists], dtype=np.uint8)
    addresses = [found.nodes + header]
    types = [found.types]
    generations = [numbers[found.lists]]
    count = len(found.nodes)
    interrupted = found.interrupted
    partial = interrupted
    if interrupted:
        problems.append("interrupted: not all objects were read")
    else:
        for position, each in enumerate(lists):
            if position in found.whole:
                continue
            others = [other.head for other in lists if other != each]
            walk = walk_list(target, each.head, MOST_OBJECTS, others, count)
            if walk.problem is not None:
                partial = True
                problems.append(f"{each.name}: {walk.problem}")
            addresses.append(np.array(walk.nodes, dtype=np.int64) + header)
            types.append(np.array(walk.types).astype(np.int64))
            generations.append(np.full(len(walk.nodes), each.generation, dtype=np.uint8))
            count += len(walk.nodes)
            if walk.interrupted:
                interrupted = True
                break
    columns: List[Any] = [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in (addresses, types, generations)]
    if partial and not interrupted:  # damaged lists may share a part: each object once, in the order of the lists
        order = np.argsort(columns[2], kind="stable")
        _values, first = np.unique(columns[0][order], return_index=True)
        kept = np.sort(order[first])
        columns = [column[kept] for column in columns]
    return GcObjects(
        columns[0].view(np.uint64), columns[1].view(np.uint64), columns[2], partial, problems, interrupted
    )

"""Functions of the C API whose first argument is an object: where one that is gone is recognised.

Those that code outside of CPython calls with objects it has kept: dicts of modules and of the interpreter, types, lists,
functions. Names of all versions stand side by side.
"""

from __future__ import annotations

from typing import FrozenSet

#: They read a dict.
DICT_READERS: FrozenSet[str] = frozenset(
    {
        "PyDict_GetItem", "PyDict_GetItemString", "PyDict_GetItemWithError", "PyDict_GetItemRef",
        "PyDict_GetItemStringRef", "_PyDict_GetItem_KnownHash", "_PyDict_GetItemStringWithError", "PyDict_Contains",
        "PyDict_ContainsString", "PyDict_Next", "PyDict_Size", "PyDict_Keys", "PyDict_Values", "PyDict_Items",
        "PyDict_Copy",
    }
)  # fmt: skip
#: They change a dict or a list.
CONTAINER_WRITERS: FrozenSet[str] = frozenset(
    {
        "PyDict_SetItem", "PyDict_SetItemString", "PyDict_DelItem", "PyDict_DelItemString", "PyDict_Clear",
        "PyDict_Update", "PyDict_Merge", "PyDict_SetDefault", "PyDict_SetDefaultRef", "PyDict_Pop", "PyDict_PopString",
        "PyList_Append", "PyList_Insert", "PyList_SetItem", "PyList_SetSlice",
    }
)  # fmt: skip
#: They make instances of a type, or look at it.
TYPE_USERS: FrozenSet[str] = frozenset(
    {"_PyObject_New", "_PyObject_GC_New", "_PyObject_NewVar", "_PyObject_GC_NewVar", "PyType_GenericAlloc", "PyType_GenericNew"}
)
#: They call an object, or ask it for something.
OBJECT_USERS: FrozenSet[str] = frozenset(
    {
        "PyObject_Call", "PyObject_CallObject", "PyObject_CallNoArgs", "PyObject_CallOneArg", "PyObject_CallFunction",
        "PyObject_CallMethod", "PyObject_CallFunctionObjArgs", "PyObject_CallMethodObjArgs", "PyObject_Vectorcall",
        "_PyObject_Vectorcall", "PyObject_VectorcallDict", "_PyObject_FastCallDict", "PyEval_CallObjectWithKeywords",
        "PyObject_GetAttr", "PyObject_GetAttrString", "PyObject_GetOptionalAttr", "PyObject_SetAttr",
        "PyObject_SetAttrString", "PyObject_HasAttr", "PyObject_HasAttrString", "PyObject_GetItem", "PyObject_SetItem",
        "PyObject_Repr", "PyObject_Str", "PyObject_IsTrue", "PyObject_GetIter", "PyObject_Size", "PyObject_Length",
        "PyList_Size", "PyList_GetItem", "PyList_GetItemRef", "PyTuple_Size", "PyTuple_GetItem", "PySet_Contains", "PySet_Add",
        "PySet_Discard", "PyModule_GetDict", "PyCapsule_GetPointer", "PyUnicode_AsUTF8", "PyUnicode_AsUTF8AndSize",
        "PyLong_AsLong", "PyFloat_AsDouble", "PyBytes_AsString",
    }
)  # fmt: skip
ALL: FrozenSet[str] = DICT_READERS | CONTAINER_WRITERS | TYPE_USERS | OBJECT_USERS

// pybind11's classic: a static py::object, destroyed by exit() when there is no interpreter any more.
#include <pybind11/pybind11.h>
namespace py = pybind11;

static py::object default_catalog;

PYBIND11_MODULE(catalog, m)
{
    m.def("set_default", [](py::object value) { default_catalog = std::move(value); });
}

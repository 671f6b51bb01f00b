#include "editing/patches/patch.h"

#include "editing/patches/merge.h"
#include "io/error.h"
#include "model.h"

namespace emend::python {
namespace {

// {site: (out, in)}, or {site: (up (out, r), down (r, in))} for a change of low rank. The tensors
// share the memory of the patch.
py::dict deltas_of(const Patch& patch) {
  py::dict deltas;
  for (const auto& [site, delta] : patch.deltas)
    deltas[py::str(site)] =
        delta.low_rank() ? py::object(py::make_tuple(delta.up, delta.down)) : py::cast(delta.dense);
  return deltas;
}

py::list entries_of(const Patch& patch) {
  py::list entries;
  for (const auto& entry : patch.memory.entries) {
    py::dict tensors;
    for (const auto& [name, tensor] : entry.tensors) tensors[py::str(name)] = tensor;
    py::dict description;
    description["name"] = entry.name;
    description["facts"] = to_python(entry.facts);
    description["tensors"] = tensors;
    entries.append(description);
  }
  return entries;
}

template <class Field>
auto as_python(Field Patch::*field) {
  return [field](const Patch& patch) { return to_python(patch.*field); };
}

}  // namespace

void bind_patch(py::module_& module) {
  using namespace pybind11::literals;
  py::class_<Patch, std::shared_ptr<Patch>>(module, "Patch")
      .def_readonly("id", &Patch::id)
      .def_readonly("base", &Patch::base)
      .def_readonly("editor", &Patch::editor)
      .def_readonly("made_by", &Patch::made_by)
      .def_property_readonly("settings", as_python(&Patch::settings))
      .def_property_readonly("request", as_python(&Patch::request))
      .def_property_readonly("effect", as_python(&Patch::effect))
      .def_property_readonly("deltas", deltas_of)
      .def_property_readonly("entries", entries_of)
      .def("save", [](const Patch& patch, const std::string& path) { save_patch(path, patch); });
  module.def("load_patch",
             [](const std::string& path) { return std::make_shared<Patch>(load_patch(path)); });
  module.def("merge_patches", [](const Patches& patches) {
    if (patches.empty()) throw Error("python::merge", "there are no patches to merge");
    std::vector<Patch> copies;
    for (const auto& patch : patches) copies.push_back(*patch);
    return std::make_shared<Patch>(merged(copies));
  });
}

}  // namespace emend::python

// The module `emend._native`. The classes and functions for users are in python/emend/*.py.
#include "io/error.h"
#include "logging.h"
#include "model.h"

namespace emend::python {

PYBIND11_MODULE(_native, module) {
  module.doc() = "The compiled part of emend.";
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      const auto type = py::module_::import("emend.errors").attr("Error");
      py::set_error(type, without_places(error.what()).c_str());
    }
  });
  bind_model(module);
  bind_patch(module);
  bind_edit(module);
  bind_export(module);
  bind_suites(module);
  bind_trace(module);
  log_to_python();
}

}  // namespace emend::python

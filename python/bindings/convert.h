#pragma once

#include <pybind11/numpy.h>
#include <torch/csrc/utils/pybind.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "io/image/image.h"
#include "suites/record.h"

namespace emend::python {

namespace py = pybind11;

// Numbers that are not finite become None.
py::object to_python(const nlohmann::json& value);
// A value of dicts, lists, texts, numbers, True, False and None.
nlohmann::json from_python(const py::handle& value);

// None: no picture; a text: the path of a file, which is read; else an array (H, W, 3) of uint8,
// which is copied.
Picture picture_of(const py::object& image);
std::vector<Picture> pictures_of(const std::vector<py::object>& images);
// (H, W, 3) of uint8. Copies the pixels.
py::array_t<uint8_t> array_of(const Image& image);

}  // namespace emend::python

#include "convert.h"

#include "io/error.h"

namespace emend::python {

py::object to_python(const nlohmann::json& value) {
  const auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return py::module_::import("json").attr("loads")(text);
}

nlohmann::json from_python(const py::handle& value) {
  return nlohmann::json::parse(
      py::module_::import("json").attr("dumps")(value).cast<std::string>());
}

Picture picture_of(const py::object& image) {
  Picture picture;
  if (image.is_none()) return picture;
  if (py::isinstance<py::str>(image)) {
    picture.path = image.cast<std::string>();
    picture.drawn = std::make_shared<const Image>(read_image(picture.path));
    return picture;
  }
  const auto pixels =
      py::array_t<uint8_t, py::array::c_style | py::array::forcecast>::ensure(image);
  if (!pixels || pixels.ndim() != 3 || pixels.shape(2) != 3 || pixels.size() == 0)
    throw Error("python::image", "a picture array must have the shape (height, width, 3)",
                "give a path, a PIL image, a NumPy array of uint8, or a torch tensor");
  auto drawn = std::make_shared<Image>();
  drawn->height = static_cast<int>(pixels.shape(0));
  drawn->width = static_cast<int>(pixels.shape(1));
  drawn->rgb.assign(pixels.data(), pixels.data() + pixels.size());
  picture.drawn = std::move(drawn);
  return picture;
}

std::vector<Picture> pictures_of(const std::vector<py::object>& images) {
  std::vector<Picture> pictures;
  for (const auto& image : images) pictures.push_back(picture_of(image));
  return pictures;
}

py::array_t<uint8_t> array_of(const Image& image) {
  const std::vector<py::ssize_t> shape = {image.height, image.width, 3};
  return py::array_t<uint8_t>(shape, image.rgb.data());
}

}  // namespace emend::python

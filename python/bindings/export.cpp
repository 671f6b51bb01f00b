#include "exports/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.h"
#include "model.h"
#include "watch.h"

namespace emend::python {
namespace {

using nlohmann::json;

// What `emend export --json` prints, without the checked prompts.
json export_model(OpenModel& model, const Patches& patches, const std::string& output,
                  ExportOptions options, const Watch& watch) {
  const auto& formats = export_formats();
  if (std::find(formats.begin(), formats.end(), options.format) == formats.end())
    throw Error("python::export", fmt::format("unknown format '{}'", options.format),
                fmt::format("use {}", fmt::join(formats, ", ")));
  if (patches.empty() && options.format != "gguf")
    throw Error("python::export", "there are no patches to export", "give at least one patch");
  check_export_options(options);
  uint64_t all = 0, done = 0;
  options.begin = [&](uint64_t bytes) { all = bytes; };
  options.written = [&](uint64_t bytes) {
    done += bytes;
    watch("writing", static_cast<int64_t>(done), static_cast<int64_t>(all));
  };
  OpenModel::Call call(model);
  auto facts = to_json(export_stack(call.vlm(), call.stack(patches), output, options));
  facts["version"] = EMEND_VERSION;
  return facts;
}

}  // namespace

void bind_export(py::module_& module) {
  using namespace pybind11::literals;
  module.def(
      "export",
      [](OpenModel& model, const Patches& patches, const std::string& format,
         const std::string& output, const std::string& dtype, const std::optional<int64_t>& rank,
         const std::optional<double>& max_error, const std::string& pre_tokenizer,
         const py::object& progress) {
        ExportOptions options;
        options.format = format;
        options.dtype = dtype;
        options.pre_tokenizer = pre_tokenizer;
        options.low_rank.rank = rank;
        if (max_error) options.low_rank.max_error = *max_error;
        return to_python(export_model(model, patches, output, std::move(options), Watch(progress)));
      },
      "model"_a, "patches"_a, "format"_a, "output"_a, "dtype"_a, "rank"_a, "max_error"_a,
      "pre_tokenizer"_a, "progress"_a);
}

}  // namespace emend::python

#include "editing/tracing/trace_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "editing/targets/block_numbers.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

constexpr const char* kTraceSettings = "editing::trace";

std::vector<std::string> split_list(const std::string& list, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size();) {
    const auto end = std::min(list.find(separator, begin), list.size());
    parts.push_back(trimmed(list.substr(begin, end - begin), " "));
    begin = end + 1;
  }
  return parts;
}

std::optional<int64_t> as_whole(const std::string& text) {
  int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < 0) return std::nullopt;
  return value;
}

[[noreturn]] void refuse_setting(const char* name, const std::string& value,
                                 const std::string& hint) {
  throw Error(kTraceSettings, fmt::format("the setting {} is '{}'", name, value.substr(0, 200)),
              hint);
}

}  // namespace

const char* module_name(Module module) {
  return module == Module::language    ? "language"
         : module == Module::connector ? "connector"
                                       : "vision_tower";
}

void TraceOptions::declare(SettingList& list) {
  list.choice(
      "text", text, {"auto", "noise", "swap", "none"},
      "corruption of the subject's tokens. noise: Gaussian noise on their embeddings; swap: "
      "other words; auto: noise if a subject is given");
  list.choice(
      "image", image, {"auto", "noise", "mean", "swap", "gray", "pixel_noise", "none"},
      "corruption of the picture. noise: Gaussian noise on the projected image tokens; mean: "
      "the mean image token; swap: another picture; gray: a gray picture; pixel_noise: "
      "Gaussian noise on the pixels; auto: gray if there is a picture");
  list.number("text_factor", text_factor, 0, 1000,
              "noise on text, in standard deviations of the embeddings of the prompt's tokens");
  list.number("image_factor", image_factor, 0, 1000,
              "noise on pictures, in standard deviations of the image tokens, or of the pixels");
  list.whole("rows", rows, 1, 1000, "number of rows with different noise or other words");
  list.text("components", components,
            "restored components, separated by commas: residual, attention, mlp");
  list.text("modules", modules,
            "traced modules, separated by commas: language, connector, vision_tower");
  list.numbers(
      "windows", windows,
      "numbers of blocks whose attention or MLP outputs are restored together, separated by "
      "commas; N% is a share of the module's blocks");
  list.numbers("layers", layers, "traced blocks of each module, such as 0-5,8; all");
  list.whole("grid", grid, 0, 64,
             "also restore each part of a grid of this many rows and columns over the picture; 0: "
             "no grid");
  list.flag("query_tokens", query_tokens, "also restore each query token of a Q-Former");
  list.number("tolerance", tolerance, 0, 1,
              "a corruption can be undone if restoring all states changes the clean probability by "
              "at most this value");
  list.whole("max_new_tokens", max_new_tokens, 1, 4096,
             "maximum length of the model's answer, if no answer is given");
  list.whole("batch_positions", batch_positions, 1, INT64_MAX,
             "maximum number of positions in a batch of restored rows, which limits the memory");
  list.whole("seed", seed, 0, INT64_MAX, "random seed of the noise and the other words");
}

std::vector<std::string> TraceOptions::component_list() const {
  std::vector<std::string> chosen;
  const auto given = split_list(components, ',');
  for (const char* component : {"residual", "attention", "mlp"})
    if (std::find(given.begin(), given.end(), component) != given.end())
      chosen.emplace_back(component);
  if (chosen.size() != given.size())
    refuse_setting("components", components,
                   "use some of residual, attention, mlp, separated by commas");
  return chosen;
}

std::vector<Module> TraceOptions::module_list() const {
  auto given = split_list(modules, ',');
  for (auto& name : given) name = canonical_module(name);
  std::vector<Module> chosen;
  for (auto module : {Module::vision_tower, Module::connector, Module::language})
    if (std::find(given.begin(), given.end(), module_name(module)) != given.end())
      chosen.push_back(module);
  if (chosen.size() != given.size())
    refuse_setting("modules", modules,
                   "use some of language, connector, vision_tower, separated by commas");
  return chosen;
}

std::vector<int64_t> TraceOptions::window_list(int64_t depth) const {
  std::set<int64_t> sizes;
  for (const auto& part : split_list(windows, ',')) {
    const bool share = part.ends_with('%');
    const auto number = as_whole(share ? part.substr(0, part.size() - 1) : part);
    if (!number || *number < 1 || (share && *number > 100))
      refuse_setting("windows", windows,
                     "use numbers of blocks, or percentages from 1 to 100, such as 1,10%");
    const auto blocks =
        share ? std::llround(static_cast<double>(depth) * static_cast<double>(*number) / 100)
              : *number;
    sizes.insert(std::clamp<int64_t>(blocks, 1, std::max<int64_t>(depth, 1)));
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<int64_t> TraceOptions::layer_list(int64_t depth, const std::string& module) const {
  if (layers == "all") {
    std::vector<int64_t> all(static_cast<size_t>(depth));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const auto numbers = block_numbers(layers, static_cast<size_t>(depth), module);
  return {numbers.begin(), numbers.end()};
}

}  // namespace emend

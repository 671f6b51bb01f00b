#include "editing/editors/locate/locate_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "editing/targets/block_sites.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"

namespace emend {
namespace {

[[noreturn]] void refuse_layers(const std::string& layers, size_t count) {
  throw Error("editing::locate",
              fmt::format("layers '{}' is not a list of block numbers from 0 to {}",
                          layers.substr(0, 100), count - 1),
              "write for example --set layers=3,4,5 or layers=3-5");
}

// Parses "3,4,5" or "3-5".
std::vector<size_t> parse_layers(const std::string& layers, size_t count) {
  std::vector<size_t> parsed;
  const char* at = layers.data();
  const char* end = at + layers.size();
  const auto number = [&] {
    size_t value = 0;
    const auto result = std::from_chars(at, end, value);
    if (result.ec != std::errc() || value >= count) refuse_layers(layers, count);
    at = result.ptr;
    return value;
  };
  while (true) {
    const auto first = number();
    auto last = first;
    if (at < end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first) refuse_layers(layers, count);
    for (auto layer = first; layer <= last; ++layer) parsed.push_back(layer);
    if (at == end) break;
    if (*at++ != ',') refuse_layers(layers, count);
  }
  std::sort(parsed.begin(), parsed.end());
  if (std::adjacent_find(parsed.begin(), parsed.end()) != parsed.end())
    refuse_layers(layers, count);
  return parsed;
}

}  // namespace

void LocateSettings::declare(SettingList& list) {
  list.choice("module", module, module_names(),
              "module to edit: the feed-forward output layers of its blocks, or the last layer of "
              "a projector",
              module_aliases());
  list.text("layers", layers,
            "block numbers of the module, for example 5 or 3-5; default: the editor's choice");
  list.text("sites", sites, "glob of the layers to edit, instead of the layers of a module");
  list.choice("lookup", lookup, {"auto", "subject", "constraint", "last", "last_image", "answer"},
              "position of the key in the prompt: last token of the subject, of the constraint, of "
              "the prompt, or of the picture, or every position that predicts a token of the "
              "answer; auto: subject if it is known, otherwise last. In connector, projector and "
              "vision_tower, all positions of the picture are keys");
  list.whole("steps", steps, 0, 100000, "maximum number of steps for the value");
  list.number("lr", lr, 0, 1000,
              "learning rate of the value (Adam); 0: one tenth of the largest allowed root mean "
              "square of the offset");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the loss (nats a token) is below; 0: never early");
  list.number("weight_decay", weight_decay, 0, 1e6,
              "weight of norm(offset) / norm(value)^2 in the loss");
  list.number("kl_factor", kl_factor, 0, 1e6,
              "weight of the KL divergence of \"{subject} is a\" in the loss; without a subject, "
              "it is not used");
  list.number("clamp_norm_factor", clamp_norm_factor, 1e-6, 1e6,
              "maximum norm of the offset, relative to the value");
  list.number("offset_scale", offset_scale, 1e-6, 100,
              "factor of the offset after its optimization");
  list.flag("end_of_answer", end_of_answer, "also train the end-of-answer token after the target");
  list.whole("prefixes", prefixes, 0, 1000,
             "number of generated prefixes that are put before the prompt as context templates");
  list.whole("prefix_length", prefix_length, 1, 1000, "number of tokens of a generated prefix");
  list.whole("altered_pictures", altered_pictures, 0, 1000,
             "number of altered copies of the picture, the context templates of a picture");
  list.text("statistics", statistics,
            "file of `emend stats`; empty: statistics.safetensors in the model folder; none: "
            "without statistics");
  list.number("text_weight", text_weight, 0, 1,
              "weight w of the text positions in the covariance w * C_text + (1 - w) * C_image");
  list.number("ridge", ridge, 0, 1e6,
              "ridge of the covariance, relative to the mean of its diagonal");
  list.whole("seed", seed, 0, INT64_MAX, "random seed");
}

std::vector<Site> ffn_output_sites(const Model& model, const std::string& module) {
  const auto& stages = model.stages();
  const auto part = module_part(module);
  std::vector<Site> found;
  if (module != "projector")
    for (const auto& site : model.sites()) {
      const auto& stage = stages[site.stage];
      if (stage.module != part || !std::isdigit(static_cast<unsigned char>(stage.name.back())))
        continue;
      if (!found.empty() && found.back().stage == site.stage)
        found.back() = site;
      else
        found.push_back(site);
    }
  // A projector has no blocks.
  if (found.empty() && part == Module::connector) {
    const auto all = tuned_sites(model, module);
    found.push_back(all.back());
  }
  if (found.empty())
    throw Error("editing::locate", fmt::format("this model has no blocks in module '{}'", module),
                "choose layers with --set sites=GLOB; `emend inspect MODEL` lists them");
  return found;
}

std::vector<Site> located_sites(const Model& model, const LocateSettings& settings,
                                const std::vector<size_t>& defaults) {
  if (!settings.sites.empty()) return model.find_sites(settings.sites);
  const auto all = ffn_output_sites(model, settings.module);
  const auto layers =
      settings.layers == "default" ? defaults : parse_layers(settings.layers, all.size());
  std::vector<Site> sites;
  for (const auto layer : layers) sites.push_back(all.at(layer));
  return sites;
}

}  // namespace emend

#include "editing/editors/locate/locate_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "editing/targets/ffn_outputs.h"
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

}  // namespace

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

void LocateSettings::declare(SettingList& list) {
  list.choice("module", module, module_names(),
              "module to edit: the feed-forward output layers of its blocks, or the last layer of "
              "a projector",
              module_aliases());
  list.numbers("layers", layers,
               "block numbers of the module, for example 5 or 3-5; default: the editor's choice; "
               "traced: as many blocks, where the trace of the edit has the largest effect");
  list.text("trace", trace,
            "trace.json of `emend trace` for layers=traced; empty: each edit is traced");
  list.text("sites", sites, "glob of the layers to edit, instead of the layers of a module");
  list.choice("lookup", lookup, {"auto", "subject", "constraint", "last", "last_image", "answer"},
              "position of the key in the prompt: last token of the subject, of the constraint, of "
              "the prompt, or of the picture, or every position that predicts a token of the "
              "answer; auto: subject if it is known and there is no picture, otherwise last. In "
              "connector, projector and "
              "vision_tower, all positions of the picture are keys");
  list.choice("keys", keys, {"mean", "contexts"},
              "mean: an edit has one key, the mean over its context templates; contexts: each "
              "context template is a key of its own");
  list.choice("value", value, {"auto", "offset", "change"},
              "what is optimized. offset: an offset of the layer's output, as published; change: "
              "the change of a layer that reads pictures, with the least effect on other pictures; "
              "auto: change for one layer of connector, projector or vision_tower");
  list.whole("steps", steps, 0, 100000, "maximum number of steps for the value");
  list.number("lr", lr, 0, 1000,
              "learning rate of the value (Adam); 0: one tenth of the largest allowed root mean "
              "square of the offset. value=change: step of the disturbance; 0: 0.003");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the loss (nats a token) is below; 0: never early");
  list.number("weight_decay", weight_decay, 0, 1e6,
              "weight of norm(offset) / norm(value)^2 in the loss");
  list.number("kl_factor", kl_factor, 0, 1e6,
              "weight of the KL divergence of \"{subject} is a\" in the loss; without a subject, "
              "it is not used");
  list.number("clamp_norm_factor", clamp_norm_factor, 0, 1e6,
              "maximum norm of the offset, relative to the value; 0: 4 if the key is at the "
              "subject, otherwise 10. value=change: maximum disturbance, the root mean square "
              "change of the output for other pictures, relative to the output; 0: 0.1");
  list.flag("adaptive", adaptive,
            "if the value does not give the answer after all steps, continue with sharpened "
            "logits");
  list.number("offset_scale", offset_scale, 1e-6, 100,
              "factor of the offset after its optimization");
  list.flag("end_of_answer", end_of_answer, "also train the end-of-answer token after the target");
  list.whole(
      "prefixes", prefixes, 0, 1000,
      "number of generated prefixes that are put before a prompt without a picture as context "
      "templates");
  list.whole("prefix_length", prefix_length, 1, 1000, "number of tokens of a generated prefix");
  list.whole("altered_pictures", altered_pictures, 0, 1000,
             "number of altered copies of the picture, the context templates of a picture");
  list.whole("value_batch", value_batch, 1, 1000,
             "number of edits of a batch whose values are optimized together; more are faster and "
             "need more memory");
  list.text("statistics", statistics,
            "file of `emend stats`; empty: statistics.safetensors in the model folder; none: "
            "without statistics");
  list.number("text_weight", text_weight, 0, 1,
              "weight w of the text positions in the covariance w * C_text + (1 - w) * C_image");
  list.number("ridge", ridge, 0, 1e6,
              "ridge of the covariance, relative to the mean of its diagonal");
  list.whole("seed", seed, 0, INT64_MAX, "random seed");
  sequence.declare(list);
}

bool optimizes_change(const LocateSettings& settings, size_t layers) {
  const bool possible = module_part(settings.module) != Module::language && layers == 1;
  if (settings.value == "change" && !possible)
    throw Error("editing::locate",
                fmt::format("value=change needs one layer that reads pictures, not {} layers of "
                            "module '{}'",
                            layers, settings.module),
                "use one layer of connector, projector or vision_tower, or value=offset");
  return possible && settings.value != "offset";
}

bool looks_up_subject(const LocateSettings& settings, const EditRequest& request) {
  if (module_part(settings.module) != Module::language) return false;
  const auto& lookup = settings.lookup;
  return lookup == "auto" ? !request.subject.empty() && !request.image.present()
                          : lookup == "subject" || lookup == "constraint";
}

double clamp_norm_factor(const LocateSettings& settings, const EditRequest& request) {
  if (settings.clamp_norm_factor > 0) return settings.clamp_norm_factor;
  return looks_up_subject(settings, request) ? 4 : 10;
}

std::vector<Site> located_sites(const Model& model, const LocateSettings& settings,
                                const std::vector<size_t>& defaults) {
  if (!settings.sites.empty()) return model.find_sites(settings.sites);
  const auto all = ffn_outputs(model, settings.module);
  const auto layers = settings.layers == "default" || settings.layers == "traced"
                          ? defaults
                          : parse_layers(settings.layers, all.size());
  std::vector<Site> sites;
  for (const auto layer : layers) sites.push_back(all.at(layer));
  return sites;
}

}  // namespace emend

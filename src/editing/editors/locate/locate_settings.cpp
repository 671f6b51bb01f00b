#include "editing/editors/locate/locate_settings.h"

#include <fmt/format.h>

#include "editing/targets/target_modules.h"
#include "io/error.h"

namespace emend {
void LocateSettings::declare(SettingList& list) {
  where.declare(list, module_names(), /*traces=*/true);
  list.text("trace", trace,
            "trace.json of `emend trace` for layers=traced; empty: each edit is traced");
  list.choice("lookup", lookup, {"auto", "subject", "constraint", "last", "last_image", "answer"},
              "position of the key in the prompt: last token of the subject, of the constraint, of "
              "the prompt, or of the picture, or every position that predicts a token of the "
              "answer; auto: subject if it is known and there is no picture, otherwise answer. In "
              "connector, projector and vision_tower, all positions of the picture are keys");
  list.choice("keys", keys, {"auto", "mean", "contexts"},
              "mean: an edit has one key, the mean over its context templates; contexts: each "
              "context template has its own key; auto: contexts with value=change, otherwise "
              "mean, or contexts if a single edit of a prompt without a picture does not hold "
              "with mean");
  list.choice("value", value, {"auto", "offset", "change"},
              "what is optimized. offset: an offset of the layer's output, as published; change: "
              "the change of a layer that reads pictures, with the least effect on other pictures; "
              "auto: change for one layer of connector, projector or vision_tower");
  list.whole("steps", steps, 0, 100000, "maximum number of steps for the value");
  list.number("lr", lr, 0, 1000,
              "learning rate of the value (Adam); 0: one tenth of the largest allowed root mean "
              "square of the offset. value=change: step of the disturbance; 0: 0.0015");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "loss (nats per token) below which the optimization stops; 0: only after all steps");
  list.number("weight_decay", weight_decay, 0, 1e6,
              "weight of norm(offset) / norm(value)^2 in the loss");
  list.number("kl_factor", kl_factor, 0, 1e6,
              "weight of the KL divergence of \"{subject} is a\" in the loss; without a subject, "
              "it is not used");
  list.number("clamp_norm_factor", clamp_norm_factor, 0, 1e6,
              "maximum norm of the offset, relative to the value; 0: 4 if the key is at the "
              "subject, otherwise 10. value=change: maximum disturbance, the root mean square "
              "change of the output for other pictures, relative to the output; 0: 0.04");
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
  const bool possible = module_part(settings.where.module) != Module::language && layers == 1;
  if (settings.value == "change" && !possible)
    throw Error("editing::locate",
                fmt::format("value=change needs one layer that reads pictures, not {} layers of "
                            "module '{}'",
                            layers, settings.where.module),
                "use one layer of connector, projector or vision_tower, or value=offset");
  return possible && settings.value != "offset";
}

std::vector<std::string> settings_without_effect(const nlohmann::json& given,
                                                 const LocateSettings& settings) {
  std::vector<std::string> sentences;
  const auto add = [&](bool ignored, const std::vector<const char*>& names, const char* reason) {
    for (const char* name : names)
      if (ignored && given.is_object() && given.contains(name))
        sentences.push_back(fmt::format("{} has no effect {}", name, reason));
  };
  const bool language = module_part(settings.where.module) == Module::language;
  const bool several = settings.where.layers.find_first_of(",-") != std::string::npos;
  add(!language, {"lookup", "prefixes", "prefix_length", "kl_factor", "text_weight", "value_batch"},
      "outside of the language module");
  add(!language && !several && settings.value != "offset", {"weight_decay"}, "with value=change");
  add(language && settings.lookup != "auto" && settings.lookup != "subject" &&
          settings.lookup != "constraint",
      {"kl_factor"}, "without a key at the subject");
  add(language && settings.prefixes == 0, {"prefix_length"}, "with prefixes=0");
  add(settings.statistics == "none", {"ridge"}, "with statistics=none");
  add(settings.statistics == "none" && language, {"text_weight"}, "with statistics=none");
  add(!settings.where.sites.empty(), {"layers"}, "with sites");
  add(!settings.where.traced(), {"trace"}, "without layers=traced");
  add(settings.sequence.sphere == 0, {"sphere_ratio"}, "with sphere=0");
  return sentences;
}

bool has_subject_key(const LocateSettings& settings, const EditRequest& request) {
  if (module_part(settings.where.module) != Module::language) return false;
  const auto& lookup = settings.lookup;
  return lookup == "auto" ? !request.subject.empty() && !request.image.present()
                          : lookup == "subject" || lookup == "constraint";
}

bool contexts_are_keys(const LocateSettings& settings, bool change) {
  return settings.keys == "contexts" || (settings.keys == "auto" && change);
}

double clamp_norm_factor(const LocateSettings& settings, const EditRequest& request) {
  if (settings.clamp_norm_factor > 0) return settings.clamp_norm_factor;
  return has_subject_key(settings, request) ? 4 : 10;
}

}  // namespace emend
